export interface Dataset {
  readonly name: 'mnist' | 'synthetic';
  readonly train: Split;
  readonly test: Split;
  /** Columns and rows of an image, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Identifies the contents: SHA-256 over the lines `<sha256>  <file>\n` of the files' own digests, in a fixed order. */
  readonly sha256: string;
}

export interface Split {
  /** Bytes [count][height][width], 0 is background. */
  readonly images: Uint8Array;
  /** Bytes [count], the class of each image. */
  readonly labels: Uint8Array;
  readonly count: number;
}
