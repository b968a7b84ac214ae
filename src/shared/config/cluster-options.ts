import { z } from 'zod';
import { optionNotes } from './option-notes.ts';

/** The options by which remote nodes reach a run. */
export const CLUSTER_OPTIONS = {
  listen: z.string().min(1).optional().register(optionNotes, {
    group: 'cluster',
    help: 'address for remote nodes, such as 127.0.0.1:9465 or 0.0.0.0:0 (any free port)',
    value: 'host:port',
    fallback: 'no remote nodes',
  }),
  tokenFile: z.string().min(1).optional().register(optionNotes, {
    group: 'cluster',
    help: 'file with the token that nodes must know, as the command `token` prints one',
    value: 'file',
    fallback: 'the token in $LOCKSTEP_TOKEN',
  }),
  tlsCert: z.string().min(1).optional().register(optionNotes, {
    group: 'cluster',
    help: 'PEM certificate for wss; with --tls-key',
    value: 'file',
    fallback: 'plain ws',
  }),
  tlsKey: z.string().min(1).optional().register(optionNotes, {
    group: 'cluster',
    help: 'PEM key of the certificate',
    value: 'file',
    fallback: 'plain ws',
  }),
  plaintext: z.boolean().default(false).register(optionNotes, {
    group: 'cluster',
    help: 'listen beyond loopback without TLS, for nodes (frames are authenticated, but not encrypted) and for --metrics-host',
  }),
};
