import { join } from 'node:path';
import fc from 'fast-check';
import { OPTION_KEYS } from '#src/shared/config/schema.js';
import type { Case } from './case.ts';
import { CHECKPOINT, type Damage, DOCUMENTS, type Document, FILES, fieldsOf, STANDINS } from './damage.ts';
import { hostileValues, type Path } from './values.ts';

const share = fc.double({ min: 0, max: 1, noNaN: true });
const bytes: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('cut' as const), file: fc.constantFrom(...FILES), share }),
  fc.record({
    kind: fc.constant('bits' as const),
    file: fc.constantFrom('run.json', 'steps.jsonl', 'report.html', CHECKPOINT),
    shares: fc.array(share, { minLength: 1, maxLength: 6 }),
    signed: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('weights' as const),
    value: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 3e38, -3e38, 1e-40, 0, 1e10),
  }),
);

/** Cases after which each kind of damage was there; run.json's fields twice. */
const TURN = 5;

interface Field {
  readonly of: Document;
  readonly path: Path;
}

/**
 * The damage of a case by its number: each field of each document and each file in turn, every time by something else, or some bytes.
 * @param template an honest run
 * @param url a server that nobody may connect to
 */
export function damagesOf(
  template: string,
  { url, seed }: { readonly url: string; readonly seed: number },
): (number: number, place: Case) => Damage {
  const fieldsIn = (of: Document): Field[] => fieldsOf(template, of).map((path) => ({ of, path }));
  const [main, ...rest] = DOCUMENTS;
  const own = shuffled([...fieldsIn(main), ...others()], seed);
  const foreign = shuffled(rest.flatMap(fieldsIn), seed);
  const files = shuffled(FILES, seed);
  return (number, { canaries }) => {
    const values = hostileValues({ file: join(canaries, 'file'), folder: join(canaries, 'folder'), url });
    const turn = Math.floor(number / TURN);
    const damaged = (fields: readonly Field[], index: number): Damage => {
      const [field, value] = pair(fields, values, index);
      return { kind: 'a field', ...field, value };
    };
    switch (number % TURN) {
      case 0:
      case 1:
        return damaged(own, 2 * turn + (number % TURN));
      case 2:
        return damaged(foreign, turn);
      case 3: {
        const [file, by] = pair(files, STANDINS, turn);
        return { kind: 'a file', file, by };
      }
      default:
        return fc.sample(bytes, { seed: seed + number, numRuns: 1 })[0] as Damage;
    }
  };
}

/** Fields that an honest run.json lacks. */
function others(): Field[] {
  const paths: Path[] = [
    ...[...OPTION_KEYS, 'preset', '__proto__', 'constructor'].map((key) => ['config', key]),
    ['__proto__'],
    ['failure'],
    ['digests', 'init'],
    ['git', '__proto__'],
    ['versions', '__proto__'],
  ];
  return paths.map((path) => ({ of: 'run.json', path }));
}

/** All pairs of an item and a value one after the other, each item once before the first one comes again. */
function pair<A, B>(items: readonly A[], values: readonly B[], index: number): readonly [A, B] {
  const at = index % items.length;
  const round = Math.floor(index / items.length);
  return [items[at] as A, values[(at + round) % values.length] as B];
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const all = fc.shuffledSubarray([...items], { minLength: items.length });
  return fc.sample(all, { seed, numRuns: 1 })[0] as T[];
}
