/** Environment variables by name, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** No variables: the library reads none unless it is asked to. */
export const NO_ENVIRONMENT: Environment = {};

/**
 * The variables of this process, to be passed to a function of the library as `environment`: LOCKSTEP_* options and tokens, MNIST_DIR,
 * XDG_CACHE_HOME, proxies, and what identifies a job of Slurm.
 */
export function fromEnvironment(): Environment {
  return { ...process.env };
}
