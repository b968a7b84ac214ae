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

/** Places of a row that a page shows at once; more are scrolled. */
const MAX_PLACES = 10;
/** So many have room on a phone. */
const FEW_PLACES = 5;

/** The class and width of a row of places, as large as it can be read, and no larger. @param width in SVG units */
export function rowSize(name: string, places: number, width: number): Html {
  const [length, scale] = places > MAX_PLACES ? [' long', 0.85] : [places > FEW_PLACES ? '' : ' few', 1.3];
  return html`class="${name}${length}" width="${Math.round(scale * width)}"`;
}
