/** How serious a line is. */
export type Severity = 'debug' | 'info' | 'warn' | 'error';

/** Prints a line for the user. Default: info. */
export type Print = (line: string, severity?: Severity) => void;
