// The sources of a folder as TypeScript reads them: what each file imports, and how long its functions are.
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

export interface SourceFile {
  /** From the repository's root, with slashes. */
  readonly path: string;
  readonly lines: number;
  /** Modules as the file names them, those of types and of `import()` included. */
  readonly imports: readonly string[];
  readonly functions: readonly FunctionSize[];
}

export interface FunctionSize {
  /** "(anonymous)" for a function that has no name of its own. */
  readonly name: string;
  /** Of the file. */
  readonly line: number;
  readonly lines: number;
}

/** @returns the TypeScript files below a folder of the repository */
export function sourcesBelow(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => posix.join(folder, name.replaceAll(sep, '/')))
    .map((path) => readSource(path, readFileSync(join(ROOT, path), 'utf8')));
}

export function readSource(path: string, text: string): SourceFile {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: string[] = [];
  const functions: FunctionSize[] = [];
  const visit = (node: ts.Node): void => {
    const module = moduleOf(node);
    if (module !== undefined) imports.push(module);
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) functions.push(sizeOf(node, source));
    ts.forEachChild(node, visit);
  };
  visit(source);
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  return { path, lines, imports, functions };
}

/** The module that a node imports; undefined if it imports none. */
function moduleOf(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return textOf(node.moduleSpecifier);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return textOf(node.argument.literal);
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return textOf(node.arguments[0]);
  return undefined;
}

function textOf(node: ts.Node | undefined): string | undefined {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined;
}

function sizeOf(node: ts.SignatureDeclaration, source: ts.SourceFile): FunctionSize {
  const [begin, end] = [node.getStart(source), node.end].map((at) => source.getLineAndCharacterOfPosition(at).line) as [
    number,
    number,
  ];
  const named = node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined);
  const name = ts.isConstructorDeclaration(node) ? 'constructor' : (named?.getText(source) ?? '(anonymous)');
  return { name, line: begin + 1, lines: end - begin + 1 };
}
