import { mayPass } from './may-pass.ts';

/** The exit code of a failure that may pass (EX_TEMPFAIL of sysexits.h). */
export const TEMPORARY = 75;
/** That of a run that diverges. */
export const DIVERGED = 3;

/** What an error may say besides its message. */
export interface LockstepErrorOptions extends ErrorOptions {
  /** The same command may work later, though nobody does anything. Default: as `mayPass` finds of the cause. */
  readonly isTemporary?: boolean;
}

/**
 * Every failure that a person can fix is a LockstepError: its message says what was expected, what came and what to do;
 * `code` is stable. The command line prints the message alone and exits with `exitCode`.
 */
export abstract class LockstepError extends Error {
  abstract readonly code: string;
  /** The same command may work later, though nobody does anything: the network, a disk or another process was in the way. */
  readonly isTemporary: boolean;
  /** The exit code unless the failure is temporary. */
  protected readonly lastingExitCode: 1 | 2 | 3 = 1;

  readonly #lines: readonly string[];

  constructor(message: string | readonly string[], { isTemporary, ...options }: LockstepErrorOptions = {}) {
    const lines = typeof message === 'string' ? [message] : message;
    super(lines.join('\n'), options);
    this.#lines = lines;
    this.isTemporary = isTemporary ?? mayPass(options.cause);
    this.name = new.target.name;
  }

  /**
   * 75: it may pass, so that an engine should try again. Else 1: the work failed; 2: the command, its input or its environment is wrong,
   * and 3: the run diverges, both of which end in the same way each time.
   */
  get exitCode(): 1 | 2 | 3 | typeof TEMPORARY {
    return this.isTemporary ? TEMPORARY : this.lastingExitCode;
  }

  /** The message's lines. A line may quote a line feed from elsewhere, such as a file's name, which isn't its end. */
  get lines(): readonly string[] {
    return this.#lines;
  }
}

/** A flag, variable or config file holds something that can't be used. */
export class UsageError extends LockstepError {
  readonly code = 'ERR_USAGE';
  protected override readonly lastingExitCode = 2;
  /** The option that was refused, by its name in config files and in the library: `shardSize`; undefined if it isn't one option's value. */
  readonly option: string | undefined;

  constructor(message: string | readonly string[], options: LockstepErrorOptions & { option?: string } = {}) {
    super(message, options);
    this.option = options.option;
  }
}

/** The data set is missing, truncated or altered. */
export class DatasetError extends LockstepError {
  readonly code = 'ERR_DATASET';
  protected override readonly lastingExitCode = 2;
  readonly file: string | undefined;

  constructor(message: string, options: LockstepErrorOptions & { file?: string } = {}) {
    super(message, options);
    this.file = options.file;
  }
}

/** A checkpoint is missing, damaged or of another model. */
export class CheckpointError extends LockstepError {
  readonly code = 'ERR_CHECKPOINT';
  protected override readonly lastingExitCode = 2;
  readonly file: string | undefined;
  /** The system can't read it, which says nothing of its contents. */
  readonly isUnreadable: boolean;

  constructor(message: string, options: ErrorOptions & { file?: string; isUnreadable?: boolean } = {}) {
    super(message, options);
    this.file = options.file;
    this.isUnreadable = options.isUnreadable ?? false;
  }
}

/** A checkpoint in the directory of a run is another run's. */
export class ForeignCheckpointError extends CheckpointError {}

/** A run directory can't be created or written. */
export class RunDirectoryError extends LockstepError {
  readonly code = 'ERR_RUN_DIRECTORY';
  protected override readonly lastingExitCode = 2;
}

/** Another coordinator holds the run directory, or may hold it; `lost` where this one held it before. */
export class RunLockError extends LockstepError {
  readonly code = 'ERR_RUN_LOCK';
  protected override readonly lastingExitCode: 1 | 2;
  readonly lost: boolean;

  /** @param options `isTemporary`: it is held by a process that lives, or may live */
  constructor(message: string, options: LockstepErrorOptions & { lost?: boolean } = {}) {
    super(message, options);
    this.lost = options.lost ?? false;
    this.lastingExitCode = this.lost ? 1 : 2;
  }
}

/** A disk kept failing until the run could do nothing but save. */
export class WriteError extends LockstepError {
  readonly code = 'ERR_WRITE';
}

/** A server can't listen on the address that it was given. */
export class ListenError extends LockstepError {
  readonly code = 'ERR_LISTEN';
  protected override readonly lastingExitCode = 2;
}

/** A model's spec contradicts itself or asks for what the backend doesn't have. */
export class ModelError extends LockstepError {
  readonly code = 'ERR_MODEL';
  protected override readonly lastingExitCode = 2;
}

/** A backend can't be used on this machine as it is. */
export class BackendError extends LockstepError {
  readonly code = 'ERR_BACKEND';
  protected override readonly lastingExitCode = 2;
}

/** An optional package that the work needs isn't installed, or doesn't load here. */
export class PackageError extends LockstepError {
  readonly code = 'ERR_PACKAGE';
  protected override readonly lastingExitCode = 2;
}

/** The limits of the process leave less memory than the work takes, or the system doesn't give it. */
export class MemoryError extends LockstepError {
  readonly code = 'ERR_MEMORY';
  protected override readonly lastingExitCode = 2;
}

/** A step's loss, gradient norm or weights, or the last step's loss on the test set, isn't finite. */
export class NotFiniteError extends LockstepError {
  readonly code = 'ERR_NOT_FINITE';
  protected override readonly lastingExitCode = DIVERGED;
  readonly step: number;

  constructor(message: string, options: ErrorOptions & { step: number }) {
    super(message, options);
    this.step = options.step;
  }
}

/** Workers failed on the same work again and again. */
export class WorkerError extends LockstepError {
  readonly code = 'ERR_WORKER';
  readonly step: number | undefined;
  readonly shard: number | undefined;
  /** Places in the data set of the shard's samples. */
  readonly samples: readonly number[] | undefined;

  constructor(message: string, options: ErrorOptions & { step?: number; shard?: number; samples?: number[] } = {}) {
    super(message, options);
    this.step = options.step;
    this.shard = options.shard;
    this.samples = options.samples;
  }
}

/** A remote node can't take part in a run: its coordinator closed the connection for good. */
export class NodeError extends LockstepError {
  readonly code = 'ERR_NODE';
}

/** A program, or a call of it, reaches where it must not. Internal: nothing that a person gives leads to it. */
export class ExtentError extends Error {
  readonly code = 'ERR_EXTENT';

  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}
