import type { ResolvedPageConfig } from '../../../shared/config/config.ts';
import { flagOf } from '../../../shared/config/schema.ts';
import { commandLine } from '../../../shared/util/command-line.ts';
import { UsageError } from '../../../shared/util/errors.ts';
import { hostOf, isLoopback } from '../../../shared/util/loopback.ts';
import { readToken, type Token } from '../../../shared/util/token.ts';

const TOKEN_VARIABLE = 'LOCKSTEP_METRICS_TOKEN';

/** The address of the metrics, and the token that it requires. */
export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
  /** Whether the user gave the port. */
  readonly explicit: boolean;
  readonly token: Token | undefined;
}

/**
 * The address that the --metrics options give; undefined: no metrics. Read before the run starts.
 * @throws UsageError if other machines could read them without a token, or the token on its way, or if it can't be read
 */
export async function metricsAddressOf(
  { config, explicit }: ResolvedPageConfig,
  env: NodeJS.ProcessEnv,
): Promise<MetricsAddress | undefined> {
  const { metricsPort: port, metricsHost: host, metricsTokenFile: file, plaintext } = config;
  if (port === 'off') return undefined;
  const token = await readToken({ file, env, variable: TOKEN_VARIABLE });
  if (token === undefined && !isLoopback(host)) {
    throw new UsageError(
      `${flagOf('metricsHost')} ${host}: anybody who reaches it could read the metrics. Make a token by \`${commandLine('token --out token', env)}\` ` +
        `and give it by ${flagOf('metricsTokenFile')} or $${TOKEN_VARIABLE}, or stay on 127.0.0.1.`,
    );
  }
  if (!plaintext && !isLoopback(host)) {
    throw new UsageError(
      `${flagOf('metricsHost')} ${host}: the server has no TLS, so anybody on the network path can read the token and the ` +
        `metrics. Stay on 127.0.0.1, behind a proxy that has TLS, or add ${flagOf('plaintext')} if that is acceptable.`,
    );
  }
  return { host: hostOf(host), port, explicit: explicit.has('metricsPort'), token };
}
