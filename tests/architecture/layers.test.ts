// The layout of src/ held against what its files really import, and how long they are.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { circles, climbs, importsOutside, tooLong } from './rules.ts';
import { readSource, sourcesBelow } from './sources.ts';

/** The two files that know what carries the frames between coordinator and node. */
const ADAPTERS = ['src/shared/wire/ws-transport.ts', 'src/shared/wire/ws-server.ts'];
const CARRIERS = ['ws', 'node:tls', 'node:https'];

const sources = sourcesBelow('src');

function assertNone(violations: readonly string[]): void {
  assert.deepEqual(violations, []);
}

describe('the sources', () => {
  it('are all there', () => assert.ok(sources.length > 200, `${sources.length} files`));

  it('import downwards only', () => assertNone(climbs(sources)));

  it('have no circle of imports', () => assertNone(circles(sources)));

  it('are short files of short functions', () => {
    assertNone(tooLong([...sources, ...['benchmarks', 'dashboards/src', 'examples'].flatMap(sourcesBelow)]));
  });

  it('know of WebSocket and TLS in two files', () => assertNone(importsOutside(sources, CARRIERS, ADAPTERS)));
});

describe('the rules', () => {
  const below = readSource('src/shared/wire/low.ts', "import type { High } from '../../cli/high.ts';\n");
  const above = readSource(
    'src/cli/high.ts',
    "import { low } from '../shared/wire/low.ts';\nimport { WebSocket } from 'ws';\n",
  );

  it('find an import that climbs, of a type too', () => {
    assert.deepEqual(climbs([below, above]), ['src/shared/wire/low.ts imports src/cli/high.ts']);
    for (const code of [
      "export * from '../../cli/high.ts'",
      "await import('../../cli/high.ts')",
      "let a: import('../../cli/high.ts').A",
    ]) {
      assert.equal(climbs([readSource('src/shared/wire/low.ts', code)]).length, 1, code);
    }
  });

  it('find a file in a folder without a place', () => {
    assert.equal(climbs([readSource('src/other/file.ts', '')]).length, 1);
    assert.equal(climbs([readSource('src/cli/file.ts', "import '../../tests/support/mirror.ts'")]).length, 1);
  });

  it('find a circle once, and none where two files share a third', () => {
    assert.deepEqual(circles([below, above]), ['src/shared/wire/low.ts → src/cli/high.ts → src/shared/wire/low.ts']);
    const shared = [
      readSource('src/cli/a.ts', "import './b.ts'; import './c.ts';"),
      readSource('src/cli/b.ts', "import './c.ts';"),
      readSource('src/cli/c.ts', "import 'node:fs';"),
    ];
    assert.deepEqual(circles(shared), []);
  });

  it('find what is too long', () => {
    const body = '  a();\n';
    const long = [
      `function f() {\n${body.repeat(59)}}\n`,
      `const g = () => {\n${body.repeat(58)}};\n`,
      `class A {\n  constructor() {\n${body.repeat(59)}  }\n}\n`,
    ].map((code) => readSource('src/cli/long.ts', code));
    assert.deepEqual(tooLong(long), [
      'src/cli/long.ts:1: f has 61 lines',
      'src/cli/long.ts:2: constructor has 61 lines',
    ]);
    const files = [300, 301].map((lines) => readSource(`src/cli/${lines}.ts`, 'a();\n'.repeat(lines)));
    assert.deepEqual(tooLong(files), ['src/cli/301.ts has 301 lines']);
  });

  it('find a package outside its adapter', () => {
    assert.deepEqual(importsOutside([below, above], ['ws'], ['src/shared/wire/low.ts']), [
      'src/cli/high.ts imports ws',
    ]);
    assert.deepEqual(importsOutside([below, above], ['ws'], ['src/cli/high.ts']), []);
  });
});
