// The results as a picture: a panel for each model, a bar for each program. Labels are part of it, so that colours aren't needed.
import { count } from '#src/shared/util/figures.js';
import type { ModelResult, Report, Row } from './report.ts';

/** Pixels; so narrow that a telephone shows its letters at nearly their full size. */
const WIDTH = 440;
const MARGIN = 12;
/** Where bars begin, and the longest range behind one: a value fits behind it. */
const BARS = 144;
const LONGEST = 222;
const PITCH = 19;
const THICKNESS = 13;
const TITLE = 30;
const GROUP = 20;
const GAP = 16;
const HEAD = 80;

const STYLE = `
    svg { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
    .ground { fill: #ffffff; }
    text { fill: #1b1f24; }
    .title { font-weight: 600; font-size: 15px; }
    .muted { fill: #57606a; font-size: 12px; }
    .label { text-anchor: end; }
    .own { font-weight: 600; }
    .value { font-variant-numeric: tabular-nums; }
    .lockstep { fill: #2f6fd0; }
    .peer { fill: #aab2bc; }
    .range { stroke: #1b1f24; stroke-width: 1.5; }
    .axis { stroke: #8c959f; }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117; }
      text { fill: #e6edf3; }
      .muted { fill: #9198a1; }
      .lockstep { fill: #4c8dff; }
      .peer { fill: #5d6670; }
      .range { stroke: #e6edf3; }
      .axis { stroke: #6e7681; }
    }`;

/** An SVG document that follows the reader's light or dark colours. */
export function chartOf({ models, rounds, batch, machine }: Report): string {
  let top = HEAD;
  const panels = models.map((result) => {
    const panel = panelOf(result, top);
    top += panel.height;
    return panel.text;
  });
  const description = models.map(describe).join(' ');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}" role="img" aria-labelledby="title desc">
  <title id="title">Samples a second of whole training steps</title>
  <desc id="desc">${escaped(description)}</desc>
  <style>${STYLE}
  </style>
  <rect class="ground" width="${WIDTH}" height="${top}" rx="6"/>
  <text class="title" x="${MARGIN}" y="26">Samples a second (longer is faster)</text>
  <text class="muted" x="${MARGIN}" y="46">Batch ${batch}, medians and range of ${rounds} rounds</text>
  <text class="muted" x="${MARGIN}" y="63">${escaped(machine)}</text>
${panels.join('\n')}
</svg>
`;
}

function describe({ model, rows }: ModelResult): string {
  const texts = rows.map((row) => `${row.name}, ${threadsText(row.threads)}: ${count(row.samplesPerSecond)}`);
  return `${model}: ${texts.join('; ')}.`;
}

function panelOf({ model, rows }: ModelResult, top: number): { readonly text: string; readonly height: number } {
  const most = Math.max(...rows.map((row) => rateAt(row, row.milliseconds.min)));
  const parts = [text(MARGIN, top + 16, 'title', model)];
  let y = top + TITLE;
  for (const threads of [...new Set(rows.map((row) => row.threads))].sort((a, b) => a - b)) {
    const own = rows.filter((row) => row.threads === threads);
    parts.push(text(MARGIN, y + 10, 'muted', threadsText(threads)));
    y += GROUP;
    parts.push(`  <path class="axis" d="M${BARS - 0.5} ${y - 3}v${own.length * PITCH}"/>`);
    for (const row of own) {
      parts.push(barOf(row, y, most));
      y += PITCH;
    }
    y += GAP / 4;
  }
  return { text: parts.join('\n'), height: y + GAP - top };
}

/** Samples a second if a step takes so many milliseconds. */
function rateAt({ samplesPerSecond, milliseconds }: Row, each: number): number {
  return (samplesPerSecond * milliseconds.median) / each;
}

function barOf(row: Row, y: number, most: number): string {
  const { peer, name, samplesPerSecond, milliseconds } = row;
  const length = (rate: number): number => Number(((LONGEST * rate) / most).toFixed(1));
  const [low, high] = [length(rateAt(row, milliseconds.max)), length(rateAt(row, milliseconds.min))];
  const [width, middle, isOwn] = [length(samplesPerSecond), y + THICKNESS / 2, peer === 'lockstep'];
  const end = BARS + Math.max(width, high) + 6;
  return [
    text(BARS - 7, middle + 4.5, isOwn ? 'label own' : 'label', name),
    `  <rect class="${isOwn ? 'lockstep' : 'peer'}" x="${BARS}" y="${y}" width="${width}" height="${THICKNESS}"/>`,
    `  <path class="range" d="M${BARS + low} ${middle}H${BARS + high}"/>`,
    text(end, middle + 4.5, 'value', count(samplesPerSecond)),
  ].join('\n');
}

function threadsText(threads: number): string {
  return threads === 1 ? '1 thread' : `${threads} threads`;
}

function text(x: number, y: number, kind: string, content: string): string {
  return `  <text class="${kind}" x="${x}" y="${y}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
