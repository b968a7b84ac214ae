import { once } from 'node:events';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { DATA } from '../../support/program.ts';
import { type Case, makeCase, protectedState } from './case.ts';
import { Commands, type Outcome } from './commands.ts';
import { apply, type Damage, described } from './damage.ts';
import { damagesOf } from './damages.ts';
import { commandLines, type Finding, problemsOf, visitThenStop } from './lines.ts';

/** Cases at once. */
const AT_ONCE = 2;
/** Of so many cases, one has its commands run by the program itself. */
const ALONE_EVERY = 31;

export interface DirectoryReport {
  readonly directories: number;
  readonly commands: number;
  /** How many different pairs there were of a field and its value, and of a file and what replaced it. */
  readonly pairs: { readonly fields: number; readonly files: number };
  /** By command and exit code. */
  readonly codes: ReadonlyMap<string, number>;
  readonly findings: readonly Finding[];
  readonly mostMebibytes: number;
  readonly slowest: { readonly command: string; readonly damage: string; readonly seconds: number };
}

export interface DirectoryFuzzing {
  /** A new folder. */
  readonly folder: string;
  readonly seed: number;
  /** Asked with the number of directories so far. */
  readonly isEnough: (directories: number) => boolean;
  readonly onFinding?: (finding: Finding) => void;
}

/** Damages run directories in every way, and runs each command on them that reads a run. */
export async function fuzzDirectories(options: DirectoryFuzzing): Promise<DirectoryReport> {
  mkdirSync(options.folder);
  const fuzzing = new Fuzzing(options);
  await fuzzing.run();
  return fuzzing.report;
}

/** An honest run that is copied and damaged. */
interface Template {
  readonly folder: string;
  /** What it was trained on. */
  readonly data: readonly string[];
}

class Fuzzing {
  readonly #options: DirectoryFuzzing;
  readonly #env: NodeJS.ProcessEnv;
  readonly #codes = new Map<string, number>();
  readonly #findings: Finding[] = [];
  readonly #pairs = { fields: new Set<string>(), files: new Set<string>() };
  /** Connections to a server that run directories name. */
  #contacts = 0;
  #directories = 0;
  #commands = 0;
  #mostMebibytes = 0;
  #slowest = { command: '', damage: '', seconds: 0 };

  constructor(options: DirectoryFuzzing) {
    this.#options = options;
    const home = join(options.folder, 'home');
    const cache = join(home, '.cache', 'lockstep');
    mkdirSync(cache, { recursive: true });
    const { PATH, MNIST_DIR } = process.env;
    // No variable names a folder: the set is found as a run.json has it.
    if (MNIST_DIR) symlinkSync(resolve(MNIST_DIR), join(cache, 'mnist'));
    this.#env = {
      PATH,
      HOME: resolve(home),
      LOCKSTEP_LOG_FORMAT: 'text',
      LOCKSTEP_MNIST_MIRRORS: 'http://127.0.0.1:9/',
    };
  }

  get report(): DirectoryReport {
    return {
      directories: this.#directories,
      commands: this.#commands,
      pairs: { fields: this.#pairs.fields.size, files: this.#pairs.files.size },
      codes: this.#codes,
      findings: this.#findings,
      mostMebibytes: this.#mostMebibytes,
      slowest: this.#slowest,
    };
  }

  async run(): Promise<void> {
    const { folder, seed, isEnough } = this.#options;
    const { small, whole } = await this.#templates();
    const trap = createServer((socket) => {
      this.#contacts++;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(trap, 'listening');
    const { port } = trap.address() as AddressInfo;
    const damages = damagesOf(whole.folder, { url: `http://127.0.0.1:${port}/api/v1/write`, seed });
    const lane = async (index: number): Promise<void> => {
      const commands = new Commands(this.#env);
      const place = join(folder, `case-${index}`);
      while (!isEnough(this.#directories)) {
        const number = this.#directories++;
        const isAlone = number % ALONE_EVERY === ALONE_EVERY - 1;
        const made = makeCase(place, (isAlone ? whole : small).folder);
        const damage = this.#damage(made, damages(number, made));
        const run: Run = (args) =>
          isAlone ? commands.runAlone(args, made.cwd, visitThenStop) : commands.run(args, made.cwd);
        const { data } = isAlone ? whole : small;
        for (const args of commandLines(made, { data, isServed: isAlone })) await this.#check(args, made, damage, run);
        rmSync(place, { recursive: true });
      }
      commands.end();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => lane(index)));
    trap.close();
  }

  async #templates(): Promise<{ readonly small: Template; readonly whole: Template }> {
    const { folder } = this.#options;
    const commands = new Commands(this.#env);
    const small = { folder: join(folder, 'small'), data: ['--data', 'synthetic'] };
    const whole = { folder: join(folder, 'whole'), data: DATA };
    await makeTemplate(small, (args) => commands.run(args, folder));
    await makeTemplate(whole, (args) => commands.runAlone(args, folder));
    commands.end();
    return { small, whole };
  }

  /** @returns what was done to the run, as a text */
  #damage({ run, canaries, folder }: Case, damage: Damage): string {
    apply(damage, run, canaries);
    const text = described(damage).replaceAll(folder, '');
    if (damage.kind === 'a field') this.#pairs.fields.add(text);
    if (damage.kind === 'a file') this.#pairs.files.add(text);
    return text;
  }

  async #check(args: readonly string[], place: Case, damage: string, run: Run): Promise<void> {
    const before = protectedState(place);
    const contacts = this.#contacts;
    const outcome = await run(args);
    const command = args.map((arg) => arg.replaceAll(place.folder, '')).join(' ');
    const found = (kind: Finding['kind'], what: string): void => {
      const finding = { kind, damage, command, what };
      this.#findings.push(finding);
      this.#options.onFinding?.(finding);
    };
    for (const [kind, what] of problemsOf(outcome, place)) found(kind, what);
    if (protectedState(place) !== before) found('written', outcome.stderr);
    if (this.#contacts !== contacts) found('connected', outcome.stderr);
    this.#commands++;
    const code = `${args[0]} ${outcome.code}`;
    this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
    this.#mostMebibytes = Math.max(this.#mostMebibytes, outcome.mebibytes);
    const seconds = outcome.milliseconds / 1000;
    if (seconds > this.#slowest.seconds) this.#slowest = { command, damage, seconds };
  }
}

type Run = (args: readonly string[]) => Promise<Outcome>;

/** Makes a run with all kinds of files. */
async function makeTemplate({ folder, data }: Template, run: Run): Promise<void> {
  const small = [
    '--batch',
    '16',
    '--shard-size',
    '4',
    '--iterations',
    '20',
    '--schedule',
    'constant',
    '--workers',
    '2',
  ];
  const often = ['--evaluate-every', '10', '--checkpoint-every', '10', '--hash-every', '5', '--tensorboard'];
  for (const args of [
    ['train', ...small, ...often, ...data, '--metrics-port', 'off', '--out', folder],
    ['report', folder],
  ]) {
    const { code, stderr } = await run(args);
    if (code !== 0) throw new Error(`The template could not be made: ${stderr}`);
  }
}
