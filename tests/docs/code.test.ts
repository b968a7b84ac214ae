// The code in the pages: TypeScript compiles against the library, and our commands in shell blocks are ones that exist.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createProgram } from '#src/cli/program.js';
import { ownCommands } from './command-lines.ts';
import { compileErrors } from './compile.ts';
import { blocks, ROOT } from './pages.ts';

/** What is wrong with the arguments of a command; undefined if nothing is. */
async function refusal(args: readonly string[]): Promise<string | undefined> {
  const program = createProgram(() => {});
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} });
    if (command !== program) command.action(() => {});
  }
  try {
    await program.parseAsync(
      args.map((arg) => arg.replace(/^--json=.*/, '--json')),
      { from: 'user' },
    );
    return undefined;
  } catch (error) {
    const { code, message } = error as { readonly code: string; readonly message: string };
    return /^commander\.(?:helpDisplayed|version|help)$/.test(code) ? undefined : message;
  }
}

describe('the pages', () => {
  it('have commands of ours that exist, with options that they take', async () => {
    const shells = blocks(['sh', 'bash', '']);
    const commands = shells.flatMap(({ place, code }) => ownCommands(code).map((args) => ({ place, args })));
    assert.ok(commands.length > 70, `${commands.length} commands`);
    const wrong: string[] = [];
    for (const { place, args } of commands) {
      // A placeholder, such as npm run lockstep -- COMMAND FLAGS.
      if (args.some((arg) => /^(?:COMMAND|FLAGS|…)$/.test(arg))) continue;
      const problem = await refusal(args);
      if (problem !== undefined) wrong.push(`${place}: ${args.join(' ')}: ${problem}`);
    }
    assert.deepEqual(wrong, []);
  });

  it('have TypeScript that compiles', () => {
    const { name } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { name: string };
    assert.deepEqual(compileErrors(blocks(['ts']), name), []);
  });
});

describe('the checks', () => {
  it('find an option and a command that do not exist, and a missing one', async () => {
    assert.match((await refusal(['train', '--wrong'])) ?? '', /unknown option '--wrong'/);
    assert.match((await refusal(['wrong'])) ?? '', /unknown command|too many arguments/);
    assert.match((await refusal(['worker'])) ?? '', /required option/);
    assert.equal(await refusal(['train', '--seed', '2', '--json=result.json']), undefined);
  });

  it('find our commands in shell', () => {
    const code = [
      'npm start -- --seed 2 \\',
      "  --out 'runs/my first'   # a comment",
      'X=1 lockstep data > file && npm run lockstep -- token --out token; ls',
      'npm start',
    ].join('\n');
    assert.deepEqual(ownCommands(code), [
      ['train', '--seed', '2', '--out', 'runs/my first'],
      ['data'],
      ['token', '--out', 'token'],
      ['train'],
    ]);
  });

  it('find an error in TypeScript, at its line', () => {
    const block = { place: 'page.md:3', language: 'ts', code: 'const a: number = 1;\nconst b: string = a;\n' };
    const [error, ...more] = compileErrors([block], 'lockstep');
    assert.match(error ?? '', /^page\.md:3, line 2: Type 'number' is not assignable/);
    assert.deepEqual(more, []);
  });
});
