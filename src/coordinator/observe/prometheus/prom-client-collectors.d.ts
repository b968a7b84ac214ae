/** One collector each of prom-client's default metrics, which its own types lack. */
declare module 'prom-client/lib/metrics/*.js' {
  import type { Registry } from 'prom-client';

  const collect: (registry: Registry) => void;
  export = collect;
}
