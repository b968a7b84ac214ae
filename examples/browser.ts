// Predicts in the browser: the page fetches the network once and computes by the same WebAssembly as training, without a server's help.
//
//     node browser.ts runs/first --port 8080
// This needs Node 22.18 or later (else see README.md), and `"type": "module"` in package.json.
// The page needs these files alone, so any web server can have them. dist/draw is what `lockstep draw` serves, and may change between
// versions. For TensorFlow.js in a page, `network.export('tfjs', folder)` writes a model for tf.loadLayersModel (docs/export.md).
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { openRun } from 'lockstep';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { port: { type: 'string', default: '8080' } },
});

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>A picture's class</title>
<h1>Which class is it?</h1>
<p><input type="file" id="file" accept="image/*" aria-label="picture"></p>
<p id="answer">Choose a picture.</p>
<script type="module">
  import { Inspector } from '/lockstep/inspect/activations/inspector.js';
  import { prepare } from '/lockstep/inspect/images/prepare.js';
  import { layoutOf } from '/lockstep/shared/model/layout.js';

  const bytes = async (path) => (await fetch(path)).arrayBuffer();
  const { spec, classNames } = await (await fetch('/model.json')).json();
  const inspector = new Inspector(await WebAssembly.compile(await bytes('/inspector.wasm')), layoutOf(spec));
  inspector.setWeights(new Float32Array(await bytes('/weights')));

  document.getElementById('file').addEventListener('change', async ({ target }) => {
    const picture = await createImageBitmap(target.files[0]);
    const canvas = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
    canvas.drawImage(picture, 0, 0);
    const { data, width, height } = canvas.getImageData(0, 0, picture.width, picture.height);
    // A network of one map was trained on drawings, such as MNIST's; others take the picture's middle.
    const preparation = inspector.layout.input.maps === 1 ? { kind: 'ink' } : undefined;
    const { sample, problem } = prepare({ data, width, height, channels: 4 }, inspector.layout.input, preparation);
    const { prediction, probabilities } = sample ? inspector.show(sample) : {};
    const percent = sample && (100 * probabilities[prediction]).toFixed(1);
    document.getElementById('answer').textContent = problem ?? (classNames?.[prediction] ?? prediction) + ' (' + percent + ' %)';
  });
  document.body.dataset.ready = '';
</script>`;

const lockstep = dirname(createRequire(import.meta.url).resolve('lockstep/package.json'));
const code = join(lockstep, 'dist/draw');

const network = await (await openRun(positionals[0] ?? 'latest')).network();
const { model: spec, classNames, weights } = network;
const made = new Map<string, string | Uint8Array>([
  ['/', PAGE],
  ['/model.json', JSON.stringify({ spec, classNames })],
  ['/weights', new Uint8Array(weights.buffer)],
  ['/inspector.wasm', readFileSync(join(lockstep, 'dist/kernel/inspector.wasm'))],
]);

/** What is at a path; undefined: nothing. */
function contentOf(path: string): string | Uint8Array | undefined {
  if (!path.startsWith('/lockstep/')) return made.get(path);
  const file = join(code, path.slice('/lockstep/'.length));
  const isThere = file.startsWith(code + sep) && file.endsWith('.js') && existsSync(file);
  return isThere ? readFileSync(file) : undefined;
}

const server = createServer(({ url = '/' }, response) => {
  const content = contentOf(url);
  const type = url === '/' ? 'text/html' : url.endsWith('.js') ? 'text/javascript' : 'application/octet-stream';
  response.writeHead(content === undefined ? 404 : 200, { 'content-type': type }).end(content);
});
server.listen(Number(values.port), '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object') console.log(`Listening on http://127.0.0.1:${address?.port}`);
});
