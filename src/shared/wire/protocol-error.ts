import { LockstepError } from '../util/errors.ts';
import type { CloseCode } from './close-codes.ts';

/** A peer broke the wire protocol or couldn't prove that it belongs to the run: its connection is closed with that code. */
export class ProtocolError extends LockstepError {
  readonly code = 'ERR_PROTOCOL';
  readonly closeCode: CloseCode;

  constructor(message: string, options: ErrorOptions & { closeCode: CloseCode }) {
    super(message, options);
    this.closeCode = options.closeCode;
  }
}
