// A service that says what pictures show, by the best checkpoint of a run (without one, the newest). It follows a run that trains.
//
//     npm install lockstep fastify
//     node service.ts runs/first --port 8080
//     curl --data-binary @seven.png localhost:8080/predict
//
// `node service.ts` needs Node 22.18 or later (else see README.md), and `"type": "module"` in package.json.
import { parseArgs } from 'node:util';
import { fastify } from 'fastify';
import { LockstepError, type Network, openRun } from 'lockstep';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string', default: '8080' },
    host: { type: 'string', default: '127.0.0.1' },
    /** Seconds between looks for a newer checkpoint. */
    poll: { type: 'string', default: '10' },
  },
});
const [name = 'latest'] = positionals;
const MAX_BYTES = 16 * 2 ** 20;

/** The step of the checkpoint to serve; undefined: there is none yet. */
async function wantedStep(): Promise<number | undefined> {
  const run = await openRun(name);
  const steps = (await run.checkpoints()).map(({ step }) => step);
  const best = (await run.best())?.step;
  return best !== undefined && steps.includes(best) ? best : steps[0];
}

let network: Network | undefined;
let problem = 'no checkpoint yet';

/** Opens another checkpoint if there is a better one. What is served stays until it is open. */
async function reload(): Promise<void> {
  try {
    const step = await wantedStep();
    if (step === undefined || step === network?.step) return;
    network = await (await openRun(name)).network({ step });
    console.log(`Serving step ${step} of ${name}.`);
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    problem = error.message;
    console.error(`The next look may find it: ${problem}`);
  }
}

const app = fastify({ bodyLimit: MAX_BYTES });
// A picture, whatever its type is called: curl calls it a form.
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, async (_: unknown, body: Buffer) => body);

app.get('/healthz', async (_request, reply) => {
  if (network === undefined) return reply.code(503).send({ problem });
  return { step: network.step, weightsSha256: network.weightsSha256 };
});

app.post<{ Body: Buffer }>('/predict', async ({ body }, reply) => {
  if (network === undefined) return reply.code(503).send({ problem });
  if (!Buffer.isBuffer(body) || body.length === 0)
    return reply.code(415).send({ problem: 'Send the bytes of a picture.' });
  for await (const found of network.predictions([body])) {
    if ('problem' in found) return reply.code(422).send({ problem: found.problem });
    const { className, probability, probabilities = [] } = found;
    return { step: network.step, className, probability, probabilities: [...probabilities] };
  }
});

await reload();
setInterval(() => void reload(), 1000 * Number(values.poll)).unref();
await app.listen({ port: Number(values.port), host: values.host });
console.log(`Listening on ${app.listeningOrigin}.`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close());
