// Predicts in the browser: the page fetches the network once and computes by the same WebAssembly as training, without a server's help.
//
//     node browser.ts runs/first --port 8080
// This needs Node 22.18 or later (else see README.md), and `"type": "module"` in package.json.
// The page needs these files alone, so any web server can have them; a bundler resolves lockstep/browser itself.
// For TensorFlow.js in a page, `network.export('tfjs', folder)` writes a model for tf.loadLayersModel.
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
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
  import { Inspector, layoutOf, prepare } from '/lockstep/library/browser.js';

  const bytes = async (path) => (await fetch(path)).arrayBuffer();
  const { model, classNames, preparation } = await (await fetch('/model.json')).json();
  const inspector = new Inspector(await WebAssembly.compile(await bytes('/inspector.wasm')), layoutOf(model));
  inspector.setWeights(new Float32Array(await bytes('/weights')));

  document.getElementById('file').addEventListener('change', async ({ target }) => {
    const picture = await createImageBitmap(target.files[0]);
    const canvas = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
    canvas.drawImage(picture, 0, 0);
    const { data, width, height } = canvas.getImageData(0, 0, picture.width, picture.height);
    const { sample, problem } = prepare({ data, width, height, channels: 4 }, inspector.layout.input, preparation);
    const { prediction, probabilities } = sample ? inspector.show(sample) : {};
    const percent = sample && (100 * probabilities[prediction]).toFixed(1);
    document.getElementById('answer').textContent = problem ?? (classNames?.[prediction] ?? prediction) + ' (' + percent + ' %)';
  });
  document.body.dataset.ready = '';
</script>`;

/** The folder of what lockstep/browser and the files that it imports are in. */
const code = new URL('..', import.meta.resolve('lockstep/browser'));

const network = await (await openRun(positionals[0] ?? 'latest')).network();
const { model, classNames, preparation, weights } = network;
const made = new Map<string, string | Uint8Array>([
  ['/', PAGE],
  ['/model.json', JSON.stringify({ model, classNames, preparation })],
  ['/weights', new Uint8Array(weights.buffer)],
  ['/inspector.wasm', readFileSync(new URL(import.meta.resolve('lockstep/inspector.wasm')))],
]);

/** What is at a path; undefined: nothing. */
function contentOf(path: string): string | Uint8Array | undefined {
  if (!path.startsWith('/lockstep/')) return made.get(path);
  const file = new URL(path.slice('/lockstep/'.length), code);
  const isThere = file.href.startsWith(code.href) && file.href.endsWith('.js') && existsSync(file);
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
