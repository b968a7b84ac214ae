import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, it, type TestContext } from 'node:test';
import { type Notification, type NotificationEvent, Notifier } from '#src/coordinator/observe/notify/notifier.js';
import { UsageError } from '#src/shared/util/errors.js';
import { refusing, serve } from '../../../support/mirror.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-notify-'));
after(() => rmSync(folder, { recursive: true }));

const LIMIT_MS = 60_000;

function notification(event: NotificationEvent): Notification {
  return { event, text: `it ${event}`, at: '2026-05-04T10:20:30.000Z', host: 'h', pid: 1, step: 7, iterations: 9 };
}

/** A notifier, and the warnings that it prints. */
function notifierFor(target: string) {
  const warnings: string[] = [];
  const print = (line: string, severity?: string): void => {
    assert.equal(severity, 'warn');
    warnings.push(line);
  };
  const notifier = new Notifier({ target, cwd: folder, env: { PATH: process.env.PATH }, print, retry: 1 });
  return { notifier, warnings };
}

/** A server that answers with each of `statuses` in turn, and with the last of them from then on. */
async function receiver(t: TestContext, statuses: readonly number[]) {
  const received: { readonly headers: IncomingMessage['headers']; readonly body: string }[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    received.push({ headers: request.headers, body: await text(request) });
    response.writeHead(statuses[received.length - 1] ?? (statuses.at(-1) as number)).end('a secret');
  };
  const { url } = await serve(t, (request, response) => void answer(request, response));
  return { url, received };
}

describe('notifications to a URL', () => {
  it('are posted as JSON, one after the other', async (t) => {
    const { url, received } = await receiver(t, [200]);
    const { notifier, warnings } = notifierFor(url);
    for (const event of ['stalled', 'going-on', 'finished'] as const) notifier.send(notification(event));
    await notifier.finish(LIMIT_MS);
    assert.deepEqual(
      received.map(({ body }) => JSON.parse(body)),
      (['stalled', 'going-on', 'finished'] as const).map(notification),
    );
    assert.equal(received[0]?.headers['content-type'], 'application/json');
    assert.deepEqual(warnings, []);
  });

  it('have the name and password of the URL in a header', async (t) => {
    const { url, received } = await receiver(t, [204]);
    const { notifier, warnings } = notifierFor(url.replace('//', '//me:p%40ss@'));
    notifier.send(notification('finished'));
    await notifier.finish(LIMIT_MS);
    assert.equal(received[0]?.headers.authorization, `Basic ${Buffer.from('me:p@ss').toString('base64')}`);
    assert.deepEqual(warnings, []);
  });

  it('are tried three times if the receiver may take them later', async (t) => {
    const { url, received } = await receiver(t, [503, 429, 200]);
    const { notifier, warnings } = notifierFor(url);
    notifier.send(notification('finished'));
    await notifier.finish(LIMIT_MS);
    assert.deepEqual([received.length, warnings], [3, []]);
  });

  it('that are refused are a warning, without what may be a secret', async (t) => {
    for (const [statuses, tries] of [
      [[404], 1],
      [[302], 1],
      [[500], 3],
    ] as const) {
      const { url, received } = await receiver(t, statuses);
      const { notifier, warnings } = notifierFor(`${url.replace('//', '//me:secret@')}secret?key=secret`);
      notifier.send(notification('failed'));
      await notifier.finish(LIMIT_MS);
      const place = new URL(url).origin;
      assert.deepEqual(warnings, [`Notifying ${place} of "failed" FAILED: it answers ${statuses[0]}.`]);
      assert.equal(received.length, tries);
    }
  });

  it('that cannot be sent are a warning', async () => {
    const url = await refusing();
    const { notifier, warnings } = notifierFor(`${url}secret`);
    notifier.send(notification('failed'));
    await notifier.finish(LIMIT_MS);
    const place = new URL(url).origin;
    assert.deepEqual(warnings, [`Notifying ${place} of "failed" FAILED: it can't be reached (ECONNREFUSED).`]);
  });

  it('that nobody answers are given up at the end', async (t) => {
    const { url } = await serve(t, () => {});
    const { notifier, warnings } = notifierFor(url);
    notifier.send(notification('failed'));
    notifier.send(notification('finished'));
    await notifier.finish(1);
    assert.equal(warnings.length, 2);
  });
});

describe('notifications to a command', () => {
  it('are on its stdin, one line of JSON each time', async () => {
    const { notifier, warnings } = notifierFor('cat >> told');
    for (const event of ['signal', 'stopped'] as const) notifier.send(notification(event));
    await notifier.finish(LIMIT_MS);
    const lines = readFileSync(join(folder, 'told'), 'utf8').trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).event),
      ['signal', 'stopped'],
    );
    assert.deepEqual(warnings, []);
  });

  it('that fails, or ends without reading, fails nothing', async () => {
    const { notifier, warnings } = notifierFor('echo no route >&2; exit 4 # secret');
    notifier.send(notification('stopped'));
    await notifier.finish(LIMIT_MS);
    assert.deepEqual(warnings, [
      'Notifying the command of --notify of "stopped" FAILED: it has the exit code 4 (no route).',
    ]);
  });

  it('that hangs is ended', async () => {
    const { notifier, warnings } = notifierFor('echo > started; sleep 1000');
    notifier.send(notification('stopped'));
    await notifier.finish(1);
    assert.deepEqual(warnings, ['Notifying the command of --notify of "stopped" FAILED: it was ended.']);
    assert.ok(existsSync(folder));
  });
});

it('a URL of another kind, which would be taken for a command, is refused without being shown', () => {
  for (const target of ['ftp://secret', 'http://[secret', ' ntfy://secret']) {
    assert.throws(
      () => notifierFor(target),
      (error) =>
        error instanceof UsageError && !error.message.includes('secret:') && !/ftp|\[|:\/\/secret/.test(error.message),
    );
  }
});
