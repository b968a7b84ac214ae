// Compiles blocks of TypeScript, each as a module of its own, as a program that imports the package would be.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { type Block, ROOT } from './pages.ts';

const TYPES = 'dist/library/index.d.ts';
const BROWSER_TYPES = 'dist/library/browser.d.ts';

/** @returns a line for each error */
export function compileErrors(blocks: readonly Block[], name: string): string[] {
  const modules = new Map(blocks.map((block, i) => [join(ROOT, `page-${i}.ts`), block]));
  const { compilerOptions } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.base.json'), 'utf8'));
  const { options } = ts.convertCompilerOptionsFromJson(
    {
      ...compilerOptions,
      ...{ composite: false, declaration: false, noEmit: true, isolatedModules: false },
      ...{ noUnusedLocals: false, noUnusedParameters: false, lib: [...compilerOptions.lib, 'dom'] },
      paths: { [name]: [`./${TYPES}`], [`${name}/browser`]: [`./${BROWSER_TYPES}`] },
    },
    ROOT,
  );
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (file, languageVersion, ...rest) => {
    const block = modules.get(file);
    if (block === undefined) return getSourceFile.call(host, file, languageVersion, ...rest);
    return ts.createSourceFile(file, `${block.code}\nexport {};\n`, languageVersion, true);
  };
  host.fileExists = (file) => modules.has(file) || fileExists.call(host, file);
  host.readFile = (file) => modules.get(file)?.code ?? readFile.call(host, file);
  const program = ts.createProgram([...modules.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const text = ts.flattenDiagnosticMessageText(messageText, ' ');
    const block = file && modules.get(file.fileName);
    if (file === undefined || block === undefined) return `${file?.fileName ?? 'options'}: ${text}`;
    return `${block.place}, line ${file.getLineAndCharacterOfPosition(start).line + 1}: ${text}`;
  });
}
