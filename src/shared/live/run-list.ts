// The list of runs on the page: its columns, order, filter and address.
import type { ListedView } from './feed.ts';
import type { Evaluation } from './step-scalars.ts';

/** The figure of an evaluation that says most: the accuracy, of numbers R², or the loss; those of the validation samples if there are no others. */
export function mainFigure(evaluation: Evaluation = {}): { readonly name: string; readonly value: number } | undefined {
  const { testAccuracy, testR2, testLoss, validationAccuracy, validationR2, validationLoss } = evaluation;
  const figures = [
    ['accuracy', testAccuracy],
    ['R²', testR2],
    ['loss', testLoss],
    ['accuracy', validationAccuracy],
    ['R²', validationR2],
    ['loss', validationLoss],
  ] as const;
  // A figure that isn't finite is null in JSON.
  const found = figures.find(([, value]) => typeof value === 'number' && Number.isFinite(value));
  return found && { name: found[0], value: found[1] as number };
}

/** What each column sorts by; undefined, which comes last: the run has none. */
const COLUMNS = {
  name: ({ name }) => name,
  state: ({ state }) => state,
  step: ({ step }) => step,
  test: (run) => mainFigure(testOf(run))?.value,
  best: ({ best }) => mainFigure(best)?.value,
  started: ({ started }) => started,
  duration: ({ seconds }) => seconds,
  size: ({ bytes }) => bytes,
  data: ({ dataset }) => dataset,
  tags: ({ tags }) => tags.join() || undefined,
  note: ({ note }) => note,
} satisfies Record<string, (run: ListedView) => string | number | undefined>;

export type Column = keyof typeof COLUMNS;
export const LIST_COLUMNS = Object.keys(COLUMNS) as readonly Column[];

/** The figures of the test set alone. */
export function testOf({ testAccuracy, testR2, testLoss }: Evaluation): Evaluation {
  const figures = { testAccuracy, testR2, testLoss };
  return Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined));
}

/** What is shown of the list, as the page's address has it behind the #. */
export interface ListView {
  /** Names of the chosen runs; undefined: nothing was chosen yet. */
  readonly chosen: readonly string[] | undefined;
  readonly sort: Column;
  readonly isDescending: boolean;
  readonly filter: string;
}

/** The newest runs first. */
export const FIRST_VIEW: ListView = { chosen: undefined, sort: 'started', isDescending: true, filter: '' };

const words = new Intl.Collator('en', { numeric: true });

/** The runs that a filter lets pass, in order. */
export function shownRuns(runs: readonly ListedView[], { sort, isDescending, filter }: ListView): ListedView[] {
  const keyOf: (run: ListedView) => string | number | undefined = COLUMNS[sort];
  const sign = isDescending ? -1 : 1;
  return runs
    .filter((run) => isMatch(run, filter))
    .sort((a, b) => {
      const [one, other] = [keyOf(a), keyOf(b)];
      if (one === undefined || other === undefined) return Number(one === undefined) - Number(other === undefined);
      const isText = typeof one === 'string' || typeof other === 'string';
      return sign * (isText ? words.compare(String(one), String(other)) : one - other);
    });
}

/** Whether each word of the filter is somewhere in a run's name, state, data set, tags or note. */
function isMatch({ name, state, dataset = '', tags, note = '' }: ListedView, filter: string): boolean {
  const text = [name, state, dataset, ...tags, note].join('\n').toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** A view as the text behind the # of an address: run=first&run=second&sort=-test&filter=baseline. */
export function hashOf({ chosen, sort, isDescending, filter }: ListView): string {
  const query = new URLSearchParams();
  for (const name of chosen ?? []) query.append('run', name);
  if (chosen?.length === 0) query.set('run', '');
  query.set('sort', `${isDescending ? '-' : ''}${sort}`);
  if (filter !== '') query.set('filter', filter);
  return query.toString();
}

/** The view of such a text. What it lacks, or has wrong, is as at first. */
export function viewOf(hash: string): ListView {
  const query = new URLSearchParams(hash.replace(/^#/, ''));
  const [, minus, column] = /^(-?)(\w+)$/.exec(query.get('sort') ?? '') ?? [];
  const sort = LIST_COLUMNS.find((each) => each === column);
  return {
    chosen: query.has('run') ? [...new Set(query.getAll('run').filter((name) => name !== ''))] : undefined,
    sort: sort ?? FIRST_VIEW.sort,
    isDescending: sort === undefined ? FIRST_VIEW.isDescending : minus === '-',
    filter: query.get('filter') ?? '',
  };
}

/** A row of the table of options: the values of the runs, in order; undefined: the run hasn't got it. */
export interface OptionRow {
  readonly name: string;
  readonly values: readonly (string | undefined)[];
}

/** The options of runs, those in which they differ, and those that are the same in all. */
export function compareOptions(configs: readonly Readonly<Record<string, unknown>>[]): {
  readonly different: OptionRow[];
  readonly same: OptionRow[];
} {
  const names = new Set(configs.flatMap((config) => Object.keys(config)));
  const rows = [...names].map((name) => {
    return { name, values: configs.map((config) => (name in config ? String(config[name]) : undefined)) };
  });
  const isSame = ({ values }: OptionRow): boolean => values.every((value) => value === values[0]);
  return { different: rows.filter((row) => !isSame(row)), same: rows.filter(isSame) };
}
