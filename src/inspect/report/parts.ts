import type { Column } from './data.ts';
import { type Content, type Html, html } from './html.ts';

/** A chapter with its heading; `id` is what links name. */
export function chapter(id: string, title: string, ...contents: readonly Content[]): Html {
  return html`<section class="chapter" id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${contents}
</section>
`;
}

export function panel(title: string, ...contents: readonly Content[]): Html {
  return html`<section class="panel"><h3>${title}</h3>
${contents}
</section>
`;
}

/** The same content for each snapshot, side by side if there is room. */
export function sideBySide(columns: readonly Column[], part: (column: Column, index: number) => Content): Html {
  return html`<div class="sides">${columns.map(
    (column, i) => html`<div class="side"><h4>${column.title}</h4>
${part(column, i)}</div>
`,
  )}</div>`;
}

export function note(...contents: readonly Content[]): Html {
  return html`<p class="note">${contents}</p>`;
}
