// The site of these pages: it builds, its links and anchors lead somewhere, and its references are whole.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { createProgram } from '#src/cli/program.js';
import { notesOf, OPTION_KEYS, variableOf } from '#src/shared/config/schema.js';
import { ROOT } from './pages.ts';

const DIST = join(ROOT, 'docs/.vitepress/dist');

function build(env: NodeJS.ProcessEnv = {}) {
  const options = { cwd: ROOT, encoding: 'utf8', env: { ...process.env, ...env }, timeout: 300_000 } as const;
  return spawnSync(process.execPath, ['tools/docs/main.js'], options);
}

/** A page as the site has it, as text. */
function textOf(page: string): string {
  const html = readFileSync(join(DIST, `${page}.html`), 'utf8').replaceAll(/<[^>]*>/g, '');
  return html
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}

describe('the site', () => {
  // It checks links and anchors itself.
  before(() => {
    const { status, stdout, stderr } = build({
      DOCS_BASE: '/lockstep/',
      DOCS_REPOSITORY: 'https://example.org/lockstep',
    });
    assert.equal(status, 0, `${stdout}${stderr}`);
  });

  it('has a page for each in docs/', () => {
    for (const folder of ['.', 'tutorials']) {
      const pages = readdirSync(join(ROOT, 'docs', folder)).filter((name) => name.endsWith('.md'));
      for (const page of pages) assert.ok(existsSync(join(DIST, folder, page.replace(/md$/, 'html'))), page);
    }
  });

  it('leads to each page from its sidebar', () => {
    const sidebar = readFileSync(join(DIST, 'training.html'), 'utf8');
    for (const folder of ['', 'tutorials/']) {
      const pages = readdirSync(join(ROOT, 'docs', folder)).filter(
        (name) => name.endsWith('.md') && name !== 'index.md',
      );
      for (const page of pages) {
        const link = `"/lockstep/${folder}${page.replace(/\.md$/, '')}"`;
        assert.ok(sidebar.includes(link), link);
      }
    }
  });

  it('names each command with its arguments and options, and each option of train with its variable', () => {
    const page = textOf('reference/command-line');
    for (const command of createProgram(() => {}).commands) {
      assert.ok(page.includes(`lockstep ${command.name()}`), command.name());
      for (const argument of command.registeredArguments) assert.ok(page.includes(argument.name()), argument.name());
      for (const { flags } of command.options) assert.ok(page.includes(flags), flags);
    }
    for (const key of OPTION_KEYS) {
      assert.ok(page.includes(variableOf(key)), key);
      assert.ok(page.includes(notesOf(key).help.slice(1).replaceAll('`', '')), notesOf(key).help);
    }
  });

  it('names each export of the library', () => {
    const index = readFileSync(join(ROOT, 'src/library/index.ts'), 'utf8');
    const exported = [...index.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, names = '']) => names.split(','));
    const names = exported.map((name) =>
      name
        .replace(/^\s*(?:type )?/, '')
        .replace(/^.* as /, '')
        .trim(),
    );
    const page = textOf('reference/api/index');
    for (const name of names.filter((each) => each !== '')) assert.ok(page.includes(name), name);
  });

  it('leads to the sources in the repository', () => {
    assert.match(
      readFileSync(join(DIST, 'kernel.html'), 'utf8'),
      /https:\/\/example\.org\/lockstep\/blob\/main\/src\/kernel/,
    );
  });
});
