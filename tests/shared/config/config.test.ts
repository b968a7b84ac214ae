import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { BITS, resolveReadConfig, resolveTrainConfig } from '#src/shared/config/config.js';
import { defaultText, expectedText } from '#src/shared/config/option-text.js';
import { resumeTrainConfig } from '#src/shared/config/resume-config.js';
import { flagOf, OPTION_KEYS, variableOf } from '#src/shared/config/schema.js';
import { passedOverText } from '#src/shared/config/sources.js';
import { UsageError } from '#src/shared/util/errors.js';
import { processorCount } from '#src/shared/util/processors.js';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-config-'));
after(() => rmSync(folder, { recursive: true }));

function configFile(content: unknown): string {
  const path = join(folder, 'settings.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function resolve(flags: Record<string, unknown> = {}, env: NodeJS.ProcessEnv = {}) {
  return resolveTrainConfig({ flags, env });
}

function messageOf(flags: Record<string, unknown>, env: NodeJS.ProcessEnv = {}): string {
  try {
    resolve(flags, env);
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    assert.equal(error.exitCode, 2);
    return error.message;
  }
  assert.fail('expected a UsageError');
}

/** Values of options that are no texts and have no default. */
const CHOICES: Readonly<Record<string, string>> = {
  workers: 'auto',
  metricsPort: 'off',
  onHangup: 'stop',
  maxTime: '3h',
  testSplit: '0.2',
  resize: 'cover',
  augment: 'flip',
  classWeights: 'balanced',
  tag: 'baseline',
};

describe('resolveTrainConfig', () => {
  test('gives the documented defaults', () => {
    const { config, explicit } = resolve();
    assert.deepEqual(config, {
      iterations: 10_000,
      batch: 128,
      shardSize: 8,
      workers: Math.min(processorCount(), 16),
      kernel: 'auto',
      seed: 1,
      optimizer: 'adam',
      learningRate: 0.003,
      schedule: 'cosine',
      warmup: 200,
      momentum: 0.9,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: 0,
      clipNorm: 0,
      replicas: 1,
      syncEvery: 1,
      labelSmoothing: 0,
      head: 'softmax',
      rbfJ: 0.1,
      backend: 'kernel',
      evaluateEvery: 500,
      checkpointEvery: 1000,
      hashEvery: 100,
      logEvery: 1,
      keep: 20,
      validation: 0,
      patience: 0,
      keepBest: false,
      maxTimeExitCode: 0,
      checkpointMinutes: 0,
      forceUnlock: false,
      plaintext: false,
      metricsPort: 9464,
      metricsHost: '127.0.0.1',
      logLevel: 'info',
      logFormat: 'auto',
      tensorboard: false,
      json: false,
    });
    assert.equal(explicit.size, 0);
  });

  test('derives the warm-up and the weight decay where they are left out', () => {
    assert.equal(resolve({ iterations: '60' }).config.warmup, 12);
    assert.equal(resolve({ iterations: '4' }).config.warmup, 0);
    assert.equal(resolve({ iterations: '60', warmup: '60' }).config.warmup, 60);
    assert.equal(resolve({ optimizer: 'adamw' }).config.weightDecay, 0.01);
    assert.equal(resolve({ optimizer: 'adamw', weightDecay: '0' }).config.weightDecay, 0);
  });

  test('prefers flags to variables, variables to the file, and the file to defaults', () => {
    const config = configFile({ seed: 1001, batch: 64, iterations: 7 });
    const { config: resolved, explicit } = resolve(
      { config, seed: '3' },
      { LOCKSTEP_SEED: '2', LOCKSTEP_BATCH: '32', PATH: '/bin' },
    );
    assert.deepEqual([resolved.seed, resolved.batch, resolved.iterations, resolved.shardSize], [3, 32, 7, 8]);
    assert.deepEqual([...explicit].sort(), ['batch', 'iterations', 'seed']);
  });

  test('finds the file by variable, and takes the config of a run again', () => {
    const { config } = resolve({ optimizer: 'sgd', workers: '3', head: 'rbf' });
    const again = resolve({}, { LOCKSTEP_CONFIG: configFile(config) });
    assert.deepEqual(again.config, config);
  });

  test('knows every option by flag and by variable', () => {
    for (const key of OPTION_KEYS) {
      const text = key === 'json' ? 'true' : CHOICES[key];
      const value = text ?? String(resolve().config[key] ?? join(folder, key));
      const byFlag = resolve({ [key]: value });
      assert.deepEqual(byFlag.config, resolve({}, { [variableOf(key)]: value }).config, key);
      assert.deepEqual([...byFlag.explicit], [key]);
    }
  });

  test('passes over what Kubernetes sets beside Services called lockstep and lockstep-…', () => {
    const ofService = (name: string, port: number): NodeJS.ProcessEnv => ({
      [`${name}_SERVICE_HOST`]: '10.96.0.7',
      [`${name}_SERVICE_PORT`]: String(port),
      [`${name}_SERVICE_PORT_NODES`]: String(port),
      [`${name}_PORT`]: `tcp://10.96.0.7:${port}`,
      [`${name}_PORT_${port}_TCP`]: `tcp://10.96.0.7:${port}`,
      [`${name}_PORT_${port}_TCP_PROTO`]: 'tcp',
      [`${name}_PORT_${port}_TCP_PORT`]: String(port),
      [`${name}_PORT_${port}_TCP_ADDR`]: '10.96.0.7',
      [`${name}_PORT_53_UDP`]: 'udp://10.96.0.7:53',
    });
    const env = {
      ...ofService('LOCKSTEP', 9465),
      ...ofService('LOCKSTEP_COORDINATOR', 9465),
      // The address has the name of an option.
      ...ofService('LOCKSTEP_METRICS', 9464),
    };
    const { config, explicit } = resolve({}, { ...env, LOCKSTEP_SEED: '5' });
    assert.deepEqual([...explicit], ['seed']);
    assert.equal(config.metricsPort, 9464);
    const text = passedOverText({ ...env, LOCKSTEP_SEED: '5', PATH: '/bin' }) ?? '';
    for (const name of Object.keys(env)) assert.ok(text.includes(name), name);
    assert.doesNotMatch(text, /SEED|PATH/);
    assert.equal(resolve({}, { LOCKSTEP_METRICS_PORT: '8000' }).config.metricsPort, 8000);
    assert.match(messageOf({}, { LOCKSTEP_METRICS_PORT: 'udp' }), /^LOCKSTEP_METRICS_PORT/);
    assert.equal(passedOverText({ LOCKSTEP_METRICS_PORT: '8000' }), undefined);
  });

  test('takes an empty variable for one that is not set', () => {
    const { config, explicit } = resolve({}, { LOCKSTEP_DATA: '', LOCKSTEP_CONFIG: '', LOCKSTEP_SEED: '5' });
    assert.equal(config.seed, 5);
    assert.deepEqual([...explicit], ['seed']);
  });

  test('takes a list of augmentations as a text or an array, and keeps the one text that stands for it', () => {
    for (const [given, kept] of [
      ['shift', 'shift'],
      ['none', 'none'],
      [' shift , flip ', 'flip,shift'],
      ['cutout,crop:2,elastic:2.50', 'crop:2,elastic:2.5,cutout:8'],
    ] as const) {
      assert.equal(resolve({ augment: given }).config.augment, kept);
      assert.equal(resolve({ config: configFile({ augment: given.split(',') }) }).config.augment, kept);
      assert.equal(resolve({ augment: kept }).config.augment, kept);
    }
    assert.equal(resolve({ config: configFile({ augment: [] }) }).config.augment, 'none');
  });

  test('takes class weights as a text or an array, and keeps the one text that stands for them', () => {
    assert.equal(resolve({ classWeights: '1, 2.50,1e-3' }).config.classWeights, '1,2.5,0.001');
    assert.equal(resolve({ config: configFile({ classWeights: [1, 2.5, 0.001] }) }).config.classWeights, '1,2.5,0.001');
    for (const text of ['balanced', '7']) assert.equal(resolve({ classWeights: text }).config.classWeights, text);
  });

  test("resolves paths against the caller's folder", () => {
    const { config } = resolve({ out: 'mine', data: '/mnist' }, { INIT_CWD: '/caller', npm_lifecycle_event: 'start' });
    assert.deepEqual([config.out, config.data], ['/caller/mine', '/mnist']);
    assert.equal(resolve({ out: '7' }, { INIT_CWD: '/caller', npm_lifecycle_event: 'start' }).config.out, '/caller/7');
  });

  test('lets no more workers than shards start by themselves', () => {
    assert.equal(resolve({ batch: '8' }).config.workers, 1);
    assert.equal(resolve({ batch: '8', workers: '2' }).config.workers, 2);
  });
});

describe('options without effect', () => {
  const unused = (flags: Record<string, unknown>, env: NodeJS.ProcessEnv = {}) => resolve(flags, env).unused;

  test('are named, with what they need', () => {
    for (const [flags, needed] of [
      [{ momentum: '0.9' }, '--optimizer sgd'],
      [{ beta2: '0.9', optimizer: 'sgd' }, '--optimizer adam or adamw'],
      [{ epsilon: '1e-6', optimizer: 'sgd' }, '--optimizer adam or adamw'],
      [{ rbfJ: '0.2' }, '--head rbf'],
      [{ tokenFile: 't' }, '--listen'],
      [{ tlsCert: 'c' }, '--listen'],
      [{ tlsKey: 'k' }, '--listen'],
      [{ plaintext: true }, '--listen or --metrics-host'],
      [{ remoteWriteTokenFile: 't' }, '--remote-write'],
      [{ testSplit: '0.2' }, '--data'],
      [{ target: 'price' }, '--data'],
      [{ resize: 'cover' }, '--data'],
      [{ metricsHost: '::1', metricsPort: 'off' }, '--metrics-port'],
      [{ metricsTokenFile: 't', metricsPort: 'off' }, '--metrics-port'],
    ] as const) {
      const [key = ''] = Object.keys(flags);
      assert.deepEqual(unused(flags), [`${flagOf(key)} has no effect without ${needed}.`]);
    }
    assert.deepEqual(unused({}, { LOCKSTEP_TOKEN_FILE: 't' }), [
      'LOCKSTEP_TOKEN_FILE (environment variable) has no effect without --listen.',
    ]);
    const file = configFile({ momentum: 0.5 });
    assert.deepEqual(unused({ config: file }), [`"momentum" in ${file} has no effect without --optimizer sgd.`]);
  });

  test('are not those that have what they need, nor the defaults of a config file', () => {
    assert.deepEqual(unused({ momentum: '0.5', optimizer: 'sgd' }), []);
    assert.deepEqual(unused({ rbfJ: '0.2', head: 'rbf' }), []);
    const tls = { tokenFile: 't', tlsCert: 'c', tlsKey: 'k', plaintext: true };
    assert.deepEqual(unused({ ...tls, listen: '127.0.0.1:0' }), []);
    assert.deepEqual(unused({ plaintext: true, metricsHost: '0.0.0.0' }), []);
    assert.deepEqual(unused({ config: configFile(resolve().config) }), []);
  });
});

describe('a config file', () => {
  test('is read with a byte-order mark', () => {
    const text = '{"iterations": 7}';
    for (const bytes of [
      Buffer.from(`\ufeff${text}`, 'utf8'),
      Buffer.from(`\ufeff${text}`, 'utf16le'),
      Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
    ]) {
      const path = join(folder, 'marked.json');
      writeFileSync(path, bytes);
      assert.equal(resolve({ config: path }).config.iterations, 7);
    }
  });

  test('has each key once', () => {
    assert.match(
      messageOf({ config: configFile('{"seed": 1, "batch": 64, "seed": 2}') }),
      /settings\.json is not JSON that can be used: the key "seed" stands twice/,
    );
  });

  test('is UTF-8', () => {
    const path = join(folder, 'latin1.json');
    writeFileSync(path, Buffer.from('{"out": "k\u00e4se"}', 'latin1'));
    assert.match(messageOf({ config: path }), /latin1\.json isn't UTF-8 text/);
  });
});

describe('what resolveTrainConfig refuses', () => {
  const impossible: readonly (readonly [string, string])[] = [
    ['workers', '-1'],
    ['workers', '2.5'],
    ['workers', 'many'],
    ['iterations', '0'],
    ['iterations', '1e400'],
    ['iterations', '4294967296'],
    ['iterations', '0x10'],
    ['iterations', '10k'],
    ['iterations', ''],
    ['iterations', ' 5'],
    ['seed', '9007199254740993'],
    ['seed', '-1'],
    ['learningRate', '0'],
    ['learningRate', 'NaN'],
    ['learningRate', 'Infinity'],
    ['learningRate', '1e39'],
    ['momentum', '1'],
    ['epsilon', '1e-50'],
    ['optimizer', 'adagrad'],
    ['augment', 'true'],
    ['augment', ''],
    ['augment', 'shift,none'],
    ['augment', 'shift:3'],
    ['augment', 'flip,flip'],
    ['augment', 'rotate:-1'],
    ['augment', 'rotate:91'],
    ['augment', 'crop:1.5'],
    ['augment', 'crop:4:4'],
    ['augment', 'elastic:1e1'],
    ['labelSmoothing', '1'],
    ['labelSmoothing', '-0.1'],
    ['classWeights', ''],
    ['classWeights', 'even'],
    ['classWeights', '1,,2'],
    ['classWeights', '1,0'],
    ['classWeights', '1,-2'],
    ['classWeights', '1,NaN'],
    ['classWeights', '1,Infinity'],
    ['testSplit', '1'],
    ['testSplit', '0'],
    ['resize', 'crop'],
    ['metricsPort', '65536'],
    ['metricsPort', 'on'],
    ['out', ''],
    ['json', 'yes'],
  ];
  test('what is 0 or infinite in the 32-bit floats of the kernel', () => {
    const keys = ['learningRate', 'momentum', 'beta1', 'beta2', 'weightDecay', 'clipNorm', 'rbfJ'];
    for (const key of keys) {
      const message = messageOf({ [key]: '1e-320' });
      assert.ok(message.startsWith(`${flagOf(key)}: expected a number`), message);
      assert.match(message, /but got "1e-320", which is 0 as a 32-bit float/);
      assert.match(
        messageOf({ config: configFile({ [key]: 1e-300 }) }),
        /but got 1e-300, which is 0 as a 32-bit float/,
      );
      assert.match(messageOf({ [key]: '1e39' }), /expected a number .* but got "1e39"/);
    }
    assert.equal(resolve({ clipNorm: '0', weightDecay: '0', momentum: '0' }).config.clipNorm, 0);
    assert.equal(resolve({ learningRate: '1e-40' }).config.learningRate, 1e-40);
  });

  for (const [key, value] of impossible) {
    test(`${key} of "${value}"`, () => {
      const message = messageOf({ [key]: value });
      assert.ok(message.startsWith(`${flagOf(key)}: expected `), message);
      assert.ok(message.includes(`but got "${value}"`), message);
    });
  }

  test('says what would do', () => {
    assert.equal(
      messageOf({ workers: '1025' }),
      '--workers: expected auto or a whole number from 0 to 1024, but got "1025". Change it, or leave it out for the default (auto).',
    );
    assert.match(messageOf({ learningRate: '-1' }), /expected a number above 0 to 1000000, .*default \(0\.003\)/);
    assert.match(messageOf({ optimizer: 'x' }), /expected adam, adamw or sgd, /);
  });

  test('a weight of a class that is no weight', () => {
    assert.equal(
      messageOf({ classWeights: '1,0,2' }),
      '--class-weights: expected balanced, or a number above 0 for each class, separated by commas, but got "1,0,2", ' +
        'which has "0". Change it, or leave it out for the default (all classes alike).',
    );
    assert.match(messageOf({ classWeights: '1,1e-50' }), /but got "1,1e-50", which has "1e-50"/);
  });

  test('a kind of augmentation that there is none of, with the one that was meant', () => {
    assert.equal(
      messageOf({ augment: 'flip,rotat:5' }),
      '--augment: expected none, or a list of colour, flip, scale, rotate, crop, elastic, cutout, shift, but got "flip,rotat:5", ' +
        'which has "rotat", which isn\'t one of them: perhaps rotate. Change it, or leave it out for the default (shift for grey ' +
        'pictures, flip and crop for colour, nothing for other samples).',
    );
    assert.match(messageOf({ augment: 'crop:200' }), /the strength of crop is a whole number from 0 to 127 \(pixels\)/);
    assert.match(messageOf({ augment: 'elastic:0.1' }), /the strength of elastic is a multiple of 0\.25 from 0 to 32/);
    assert.match(
      messageOf({ config: configFile({ augment: ['shift', 3] }) }),
      /^"augment" in .* but got \["shift",3\]/,
    );
  });

  test('a batch that the shard size does not divide, with batches that would do', () => {
    const message = messageOf({ batch: '100' });
    assert.match(message, /^--batch: .*shard size, which is 8 by --shard-size \(default\), but got 100\./);
    assert.match(message, /A batch of 96 or 104 would do/);
    assert.match(messageOf({ batch: '3' }), /A batch of 8 would do/);
    assert.match(
      messageOf({ batch: '7' }, { LOCKSTEP_SHARD_SIZE: '5' }),
      /LOCKSTEP_SHARD_SIZE \(environment variable\)/,
    );
  });

  test('a warm-up longer than the run', () => {
    assert.match(
      messageOf({ warmup: '11', iterations: '10' }),
      /^--warmup: .* which is 10 by --iterations, but got 11\./,
    );
  });

  test('unknown flags, variables and keys, by name', () => {
    assert.match(messageOf({ itertions: '5' }), /^--itertions is not a flag/);
    assert.match(
      messageOf({}, { LOCKSTEP_ITERTIONS: '5' }),
      /LOCKSTEP_ITERTIONS is not an option.*LOCKSTEP_ITERATIONS/,
    );
    assert.match(
      messageOf({ config: configFile({ itertions: 5 }) }),
      /"itertions" in .*settings\.json is not an option/,
    );
    assert.match(messageOf({ config: configFile('{"__proto__": {}}') }), /"__proto__" in .* is not an option/);
    assert.match(messageOf({ config: configFile({ config: 'other.json' }) }), /"config" in .* is not an option/);
  });

  test('unknown variables and keys in few words, with the name that was meant', () => {
    const message = messageOf({}, { LOCKSTEP_LERNING_RATE: '1' });
    assert.match(message, /Perhaps LOCKSTEP_LEARNING_RATE was meant\./);
    assert.ok(message.length < 200, message);
    assert.match(messageOf({}, { LOCKSTEP_TOKENFILE: 'x' }), /Perhaps LOCKSTEP_TOKEN_FILE was meant\./);
    assert.doesNotMatch(messageOf({}, { LOCKSTEP_CHEESE: '1' }), /Perhaps/);
    assert.match(messageOf({ config: configFile({ shardsize: 5 }) }), /Perhaps "shardSize" was meant\./);
    // These look like what Kubernetes sets, and are not.
    for (const name of ['LOCKSTEP_PORT', 'LOCKSTEP_SERVICE', 'LOCKSTEP_HOST', 'LOCKSTEP_PORT_9464']) {
      assert.match(messageOf({}, { [name]: '9464' }), new RegExp(`${name} is not an option`));
    }
  });

  test('bad values in variables and files, naming the source', () => {
    assert.match(
      messageOf({}, { LOCKSTEP_BATCH: 'x' }),
      /^LOCKSTEP_BATCH \(environment variable\): expected .* got "x"/,
    );
    assert.match(messageOf({ config: configFile({ batch: '128' }) }), /^"batch" in .*: expected .* got "128"/);
    assert.match(messageOf({ config: configFile({ out: null }) }), /^"out" in .*: expected .* got null/);
  });

  test('a bad value in a weaker source too', () => {
    assert.match(messageOf({ batch: '64' }, { LOCKSTEP_BATCH: 'x' }), /^LOCKSTEP_BATCH/);
  });

  test('a config file that is missing, not JSON or not an object', () => {
    assert.match(messageOf({ config: join(folder, 'none.json') }), /none\.json can't be read: ENOENT/);
    assert.match(messageOf({ config: configFile('{"seed": 1,}') }), /settings\.json is not JSON/);
    assert.match(messageOf({ config: configFile([1]) }), /must hold one JSON object/);
  });
});

test('what goes by a validation loss is refused where there is none', () => {
  for (const [flags, flag] of [
    [{ keepBest: true }, '--keep-best'],
    [{ keepBest: 'validation-accuracy' }, '--keep-best'],
    [{ patience: 3 }, '--patience'],
  ] as const) {
    assert.match(
      messageOf(flags),
      new RegExp(`^${flag}: it goes by the validation loss, .* Hold back samples by --validation`),
    );
    assert.equal(resolve({ ...flags, validation: 0.1 }).config.validation, 0.1);
    assert.throws(() => resumeTrainConfig({ flags, env: {} }, resolve()), UsageError);
  }
  assert.match(messageOf({ validation: '1' }), /^--validation: expected a number from 0 below 1, but got "1"/);
});

test('tags and a note are for a new run', () => {
  const noted = { tag: 'a, b', note: 'text' };
  assert.deepEqual(resolve(noted).unused, []);
  const unused = (flags: object) => resumeTrainConfig({ flags: { ...noted, ...flags }, env: {} }, resolve()).unused;
  assert.equal(unused({ resume: 'auto' })?.length, 0);
  assert.deepEqual(
    unused({ resume: 'first' })?.map((line) => /^--(tag|note) has no effect without a new run/.test(line)),
    [true, true],
  );
  for (const tag of ['', 'a,', 'a b', '-a', 'a'.repeat(41), Array(33).fill('a').join()]) {
    assert.match(messageOf({ tag }), /^--tag: expected a word of at most 40 letters/);
  }
  for (const note of ['', 'a\nb', 'a\u202eb', 'a'.repeat(1001)]) {
    assert.match(messageOf({ note }), /^--note: expected one line of at most 1000 characters/);
  }
});

test('a resumed run with patience keeps the steps between its evaluations', () => {
  const refusals = (patience: number) =>
    resumeTrainConfig({ flags: { evaluateEvery: 7 }, env: {} }, resolve({ validation: 0.1, patience })).refused;
  assert.deepEqual(refusals(2), ['--evaluate-every: the run has 500, but this is 7']);
  assert.deepEqual(refusals(0), []);
});

test('the options that decide the bits are told from the others', () => {
  const others = OPTION_KEYS.filter((key) => !BITS.includes(key)).sort();
  assert.deepEqual(
    others,
    'checkpointCommand checkpointEvery checkpointMinutes data evaluateEvery forceUnlock json keep keepBest kernel listen lockId logEvery logFile logFormat logLevel maxTime maxTimeExitCode metricsHost metricsPort metricsTargets metricsTokenFile note notify onHangup out plaintext remoteWrite remoteWriteTokenFile resize resume tag target tensorboard testSplit tlsCert tlsKey tokenFile workers'.split(
      ' ',
    ),
  );
});

test('every option says what it takes and its default', () => {
  for (const key of OPTION_KEYS) {
    assert.doesNotMatch(expectedText(key), /undefined/, key);
    assert.doesNotMatch(defaultText(key), /undefined|none/, key);
  }
});

test('resolveReadConfig takes the backend, the data folder and --json, and checks the rest of the environment', () => {
  const read = resolveReadConfig({
    flags: { json: true },
    env: { LOCKSTEP_DATA: 'd', LOCKSTEP_BACKEND: 'tfjs', INIT_CWD: '/caller', npm_lifecycle_event: 'start' },
  });
  assert.deepEqual(read, { backend: 'tfjs', kernel: 'auto', data: '/caller/d', reading: {}, json: true });
  assert.throws(() => resolveReadConfig({ flags: {}, env: { LOCKSTEP_SEED: '-1' } }), UsageError);
});

test('a run.json decides on no more workers than this machine has use for, the command on any number', () => {
  const own = resolve({ workers: 1024, batch: 65_536, shardSize: 1 });
  const resumed = (flags: Record<string, unknown>) => resumeTrainConfig({ flags, env: {} }, own).config.workers;
  assert.equal(resumed({}), resolve({ batch: 65_536, shardSize: 1 }).config.workers);
  assert.equal(resumed({ workers: 1000 }), 1000);
  assert.equal(resumeTrainConfig({ flags: {}, env: {} }, resolve({ workers: 1 })).config.workers, 1);
});

test('the batch is cut into replicas, and those into shards', () => {
  assert.equal(resolve({ replicas: 4, batch: 96, shardSize: 8 }).config.replicas, 4);
  assert.match(messageOf({ replicas: 3 }), /--replicas.* a power of two/);
  assert.match(messageOf({ replicas: 512 }), /--replicas/);
  assert.match(messageOf({ syncEvery: 4097 }), /--sync-every/);
  const message = messageOf({ replicas: 8, batch: 96 });
  assert.match(message, /^--batch: .* 8 x 8 by --replicas and --shard-size \(default\), but got 96/);
  assert.match(message, /A batch of 64 or 128 would do/);
});

test('a run of replicas is continued beyond its iterations only where its last round was whole', () => {
  const flags = { replicas: 2, syncEvery: 8, schedule: 'constant', warmup: 0 };
  const refused = (iterations: number) =>
    resumeTrainConfig({ flags: { iterations: 200 }, env: {} }, resolve({ ...flags, iterations })).refused;
  assert.deepEqual(refused(96), []);
  assert.match(refused(100).join(), /--iterations/);
  const own = resolve({ ...flags, iterations: 96 });
  for (const changed of [{ replicas: 4 }, { syncEvery: 4 }]) {
    assert.equal(resumeTrainConfig({ flags: changed, env: {} }, own).refused.length, 1);
  }
});

test('a run without workers is continued only where nodes can connect, or with workers', () => {
  const own = resolve({ workers: 0, listen: '127.0.0.1:0' });
  const resumed = (flags: Record<string, unknown>) => resumeTrainConfig({ flags, env: {} }, own).config.workers;
  assert.throws(() => resumed({}), /The run's number of workers, 0: a run without workers needs remote nodes/);
  assert.throws(() => resumed({ workers: 0 }), /--workers: a run without workers/);
  assert.equal(resumed({ listen: '127.0.0.1:0' }), 0);
  assert.equal(resumed({ workers: 2 }), 2);
});
