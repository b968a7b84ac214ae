import type { ConsoleConfig } from '../../shared/config/config.ts';
import { Log } from './log.ts';
import { Terminal } from './terminal.ts';

/**
 * The output of a long-running command, on stderr: text on a terminal, otherwise lines of JSON, and to a file if one is named.
 * @throws UsageError if the file can't be opened
 */
export function openConsole({ logLevel, logFormat, logFile }: ConsoleConfig, env: NodeJS.ProcessEnv): Terminal {
  const { stderr } = process;
  const isLogged = logFormat === 'json' || (logFormat === 'auto' && stderr.isTTY !== true);
  const log = new Log({
    level: logLevel,
    file: logFile,
    stream: isLogged ? stderr : undefined,
    onTrouble: (message) => terminal.print(message, { level: 'warn' }),
  });
  const terminal = new Terminal({ stream: stderr, env, now: () => performance.now(), log, isLogged });
  return terminal;
}
