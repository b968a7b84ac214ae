// Runs command lines of Lockstep one after the other in this process, as the program does: forked by commands.ts.
import { chdir } from 'node:process';
import { runCli } from '#src/cli/program.js';
import { SYNTHETIC, syntheticDataset } from '#src/shared/data/sources/synthetic.js';

// A small part of the set in its place, so that a command takes a fraction of a second.
const SIZE = { train: 256, test: 16 };
Object.assign(SYNTHETIC, {
  open: async ({ arrays }: Parameters<typeof SYNTHETIC.open>[0]) => ({
    ...syntheticDataset({ arrays, ...SIZE }),
    sha256: SYNTHETIC.sha256,
  }),
});

export interface Order {
  readonly args: readonly string[];
  readonly cwd: string;
  /** Written to both outputs behind what the command wrote. */
  readonly mark: string;
}

export interface Done {
  readonly code: number;
  /** The most that the process has taken so far, in MiB. */
  readonly mebibytes: number;
}

process.on('message', async ({ args, cwd, mark }: Order) => {
  chdir(cwd);
  const code = await runCli(args);
  process.stdout.write(mark);
  process.stderr.write(mark);
  process.send?.({ code, mebibytes: process.resourceUsage().maxRSS / 1024 } satisfies Done);
});
process.on('disconnect', () => process.exit());
