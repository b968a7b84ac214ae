/** What each sample is: an image [maps][height][width], and one of so many classes. */
export interface SampleShape {
  readonly maps: number;
  /** Rows and columns of an image, in pixels. */
  readonly height: number;
  readonly width: number;
  readonly classes: number;
}

export interface Dataset extends SampleShape {
  /** As in registry.ts; `other` for a set that isn't there. */
  readonly name: string;
  readonly train: Split;
  readonly test: Split;
  /** Identifies the contents: SHA-256 over the lines `<sha256>  <file>\n` of the files' own digests, in a fixed order. */
  readonly sha256: string;
}

export interface Split {
  /** Bytes [count][maps][height][width], 0 is background. */
  readonly images: Uint8Array;
  /** Bytes [count], the class of each image. */
  readonly labels: Uint8Array;
  readonly count: number;
}
