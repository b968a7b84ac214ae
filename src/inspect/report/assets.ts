import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const PAGE = fileURLToPath(new URL('../../page', import.meta.url));
const ENTRY = 'page/report.js';

const IMPORT = /^import \{([^}]*)\} from ["']([^"']+)["'];$/gm;
const EXPORT = /^export (?=(?:async )?(?:function\*?|class|const|let) (\w+))/gm;

/** All styles of a report. */
export function reportStyle(): string {
  const own = fileURLToPath(new URL('./report.css', import.meta.url));
  const shared = followSystem(readFileSync(join(PAGE, 'style.css'), 'utf8'));
  return [readFileSync(join(PAGE, 'uPlot.min.css'), 'utf8'), shared, readFileSync(own, 'utf8')].join('\n');
}

/** The live page's dark colours if the system prefers them, except on paper and if a script sets the light theme. */
function followSystem(style: string): string {
  return style.replace(
    /:root\[data-theme="dark"\] (\{[^}]*\})/,
    '@media screen and (prefers-color-scheme: dark) { :root:not([data-theme="light"]) $1 }',
  );
}

/** uPlot and the report's own modules as one script: a file opened from the disk can't import others. */
export function reportScript(): string {
  const modules = new Map<string, string>();
  addModule(join(PAGE, ENTRY), modules);
  const plot = readFileSync(join(PAGE, 'uPlot.iife.min.js'), 'utf8');
  return `${plot}\n(() => {\n'use strict';\nconst modules = {};\n${[...modules.values()].join('')}})();\n`;
}

/** A compiled module as a function's body, those that it imports before it. */
function addModule(file: string, modules: Map<string, string>): void {
  if (modules.has(file)) return;
  const source = readFileSync(file, 'utf8');
  const imported = [...source.matchAll(IMPORT)].map(([, , path]) => join(dirname(file), path as string));
  for (const path of imported) addModule(path, modules);
  const names = [...source.matchAll(EXPORT)].map(([, name]) => name as string);
  const body = source
    .replaceAll(IMPORT, (_, list: string, path: string) => {
      const bindings = list.replaceAll(' as ', ': ').trim();
      return `const { ${bindings} } = modules[${JSON.stringify(relative(PAGE, join(dirname(file), path)))}];`;
    })
    .replaceAll(EXPORT, '');
  modules.set(
    file,
    `modules[${JSON.stringify(relative(PAGE, file))}] = (() => {\n${body}\nreturn { ${names.join(', ')} };\n})();\n`,
  );
}
