// node --import ./file-faults.js PROGRAM: counts what a program does to files, writes it down and kills the program at one.
// FILE_LOG names the file that receives a line each; FILE_KILL is such as 17:before, 17:middle or 17:after, or for the second such
// operation `sync steps.jsonl@2:before`.
import { appendFileSync } from 'node:fs';
import files, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import { isMainThread } from 'node:worker_threads';

type Operation = (...args: never[]) => Promise<unknown>;

const [at, moment] = (process.env.FILE_KILL ?? '').split(':');
let count = 0;
const counts = new Map<string, number>();

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  // The signal may need a moment; nothing else may happen until then.
  for (;;);
}

/** Has `act` done as one of the counted operations; `half`: a part of it, for a kill in its middle. */
async function counted<T>(name: string, act: () => Promise<T>, half: () => Promise<unknown> = act): Promise<T> {
  const nth = (counts.get(name) ?? 0) + 1;
  counts.set(name, nth);
  const here = String(++count) === at || `${name}@${nth}` === at;
  if (process.env.FILE_LOG) appendFileSync(process.env.FILE_LOG, `${name}\n`);
  if (here && moment === 'before') die();
  if (here && moment === 'middle') {
    await half();
    die();
  }
  const result = await act();
  if (here) die();
  return result;
}

/** Puts `name` of `owner` under observation; `describe` gives the line. */
function observe(owner: object, name: string, describe: (args: readonly unknown[], self: unknown) => string): void {
  const methods = owner as Record<string, Operation>;
  const original = methods[name] as Operation;
  methods[name] = function (this: unknown, ...args: never[]) {
    return counted(`${name} ${describe(args, this)}`, () => original.apply(this, args));
  };
}

/** Temporary files have random names. */
function shownName(path: unknown): string {
  return basename(String(path)).replace(/\.[0-9a-f]{16}\.tmp$/, '.tmp');
}

const names = new WeakMap<object, string>();

function nameOf(handle: unknown): string {
  return names.get(handle as object) ?? '?';
}

/** FileHandle isn't exported; its methods are those of every handle. */
async function observeHandles(): Promise<void> {
  const probe = await files.open(process.execPath, 'r');
  const handles = Object.getPrototypeOf(probe) as Record<string, Operation>;
  await probe.close();
  for (const name of ['sync', 'truncate']) observe(handles, name, (_, self) => nameOf(self));
  for (const name of ['write', 'writeFile']) {
    const original = handles[name] as Operation;
    handles[name] = function (this: FileHandle, ...args: never[]) {
      const [bytes, offset, length, position] = args as unknown as [Uint8Array, number, number, number];
      const half = async (): Promise<void> => {
        if (name === 'write') await original.apply(this, [bytes, offset, length >> 1, position] as never[]);
        else await original.apply(this, [bytes.subarray(0, bytes.length >> 1)] as never[]);
      };
      return counted(`${name} ${nameOf(this)}`, () => original.apply(this, args), half);
    };
  }
}

if (isMainThread) {
  await observeHandles();
  const open = files.open;
  files.open = async (path, ...rest) => {
    const handle = await open(path, ...rest);
    names.set(handle, shownName(path));
    return handle;
  };
  for (const name of ['rename', 'link', 'rm', 'unlink', 'mkdir', 'writeFile']) {
    observe(files, name, ([path]) => shownName(path));
  }
  syncBuiltinESMExports();
}
