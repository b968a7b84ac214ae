import type { Column, FactGroup, ReportRun } from './data.ts';
import { type Html, html } from './html.ts';
import { chapter, panel } from './parts.ts';

/** Where the figures come from: each run's manifest, and the snapshots' hashes. */
export function runsChapter(runs: readonly ReportRun[], columns: readonly Column[]): Html {
  return chapter(
    'runs',
    runs.length === 1 ? 'The run' : 'The runs',
    panel('Snapshots', snapshotTable(runs, columns)),
    ...runs.flatMap(({ name, facts }) =>
      facts.map((group) => panel(runs.length === 1 ? group.title : `${name}: ${group.title}`, factList(group))),
    ),
  );
}

function snapshotTable(runs: readonly ReportRun[], columns: readonly Column[]): Html {
  return html`<div class="scroll"><table class="snapshots"><caption class="hidden">Snapshots and their hashes</caption>
<tr><th scope="col">snapshot</th><th scope="col">run</th><th scope="col">checkpoint</th><th scope="col">SHA-256 of the weights</th></tr>
${columns.map(
  ({ title, run, file, weightsSha256 }) =>
    html`<tr><th scope="row">${title}</th><td>${runs[run]?.name}</td><td>${file}</td><td><code>${weightsSha256}</code></td></tr>
`,
)}</table></div>`;
}

function factList({ facts }: FactGroup): Html {
  return html`<dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${String(value)}</dd></div>`)}</dl>`;
}
