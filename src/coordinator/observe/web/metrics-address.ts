import type { ResolvedPageConfig } from '../../../shared/config/config.ts';
import { flagOf } from '../../../shared/config/schema.ts';
import { UsageError } from '../../../shared/util/errors.ts';
import { isLoopback } from '../../../shared/util/loopback.ts';
import { readToken, type Token } from '../../../shared/util/token.ts';

const TOKEN_VARIABLE = 'LOCKSTEP_METRICS_TOKEN';

/** Where the metrics are served, and to whom. */
export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
  /** The port was asked for. */
  readonly explicit: boolean;
  readonly token: Token | undefined;
}

/**
 * What --metrics-port and its companions say; undefined where there are no metrics. Read before anything else is begun.
 * @throws UsageError where strangers could read them, or the token can't be read
 */
export async function metricsAddressOf(
  { config, explicit }: ResolvedPageConfig,
  env: NodeJS.ProcessEnv,
): Promise<MetricsAddress | undefined> {
  const { metricsPort: port, metricsHost: host, metricsTokenFile: file } = config;
  if (port === 'off') return undefined;
  const token = await readToken({ file, env, variable: TOKEN_VARIABLE });
  if (token === undefined && !isLoopback(host)) {
    throw new UsageError(
      `${flagOf('metricsHost')} ${host}: anybody who reaches it could read along. Make a token by \`lockstep token > token\` ` +
        `and give it by ${flagOf('metricsTokenFile')} or $${TOKEN_VARIABLE}, or stay on 127.0.0.1.`,
    );
  }
  return { host, port, explicit: explicit.has('metricsPort'), token };
}
