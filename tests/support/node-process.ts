// node node-process.js URL NAME: a node of that name, which `lockstep worker` takes from the machine; it waits for the next run.
import { argv, env } from 'node:process';
import { runNode } from '#src/library/node.js';

const [, , url, name] = argv as [string, string, string, string];
const stop = new AbortController().signal;
const none = { token: undefined, ca: undefined, data: undefined };
await runNode({ ...none, url, name, threads: 1, env, keep: true, stop, onEvent: (event) => console.error(event) });
