/** The part of the WebAssembly API that is used here; TypeScript declares it only together with the browser's globals. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: true });
    readonly buffer: ArrayBufferLike;
    grow(pages: number): number;
  }
}
