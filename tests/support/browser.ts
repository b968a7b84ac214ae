import { spawnSync } from 'node:child_process';
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core';

/** Debian's, or what people have. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const executable = NAMES.map((name) => spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim()).find(
  (path) => path !== '',
);

/** For tests of a real browser: false, or why they are skipped. */
export const skip =
  process.env.CI === 'true' || executable !== undefined
    ? false
    : "Chromium (such as Debian's package) is not installed";

export function startBrowser(): Promise<Browser> {
  // Its sandbox needs more rights than a container has; the pages are our own.
  return chromium.launch({ executablePath: executable ?? 'chromium', args: ['--no-sandbox', '--disable-gpu'] });
}

/** A page, and what went wrong on it: errors of the console, and whatever it asked of another host. */
export interface Watched {
  readonly page: Page;
  readonly faults: string[];
}

export type WatchOptions = Parameters<Browser['newPage']>[0] & {
  /** Runs on the page before its own scripts. */
  readonly script?: string;
};

export async function watch(browser: Browser, url: string, options: WatchOptions = {}): Promise<Watched> {
  const { script = '', ...rest } = options;
  const page = await browser.newPage(rest);
  await page.addInitScript(script);
  const faults: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text());
  });
  page.on('pageerror', ({ message }) => faults.push(message));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) faults.push(`asked for ${request.url()}`);
  });
  await page.goto(url);
  return { page, faults };
}

/** For a page whose charts are looked at: `drawnOn` says what it has drawn. */
export const RECORD_DRAWING = `
  const drawn = { texts: [], broken: [] };
  for (const { prototype } of [CanvasRenderingContext2D, Path2D]) {
    for (const name of ['fillText', 'moveTo', 'lineTo', 'bezierCurveTo', 'arc', 'rect', 'fillRect', 'clearRect']) {
      const draw = prototype[name];
      if (draw === undefined) continue;
      prototype[name] = function (...given) {
        if (name === 'fillText') drawn.texts.push(String(given[0]));
        if (given.some((each) => typeof each === 'number' && !Number.isFinite(each))) drawn.broken.push(name + '(' + given + ')');
        return draw.apply(this, given);
      };
    }
  }
  window.drawn = drawn;
`;

export interface Drawn {
  /** The labels of axes. */
  readonly texts: readonly string[];
  /** Calls with a place that isn't finite, which a canvas passes over in silence. */
  readonly broken: readonly string[];
}

export function drawnOn(page: Page): Promise<Drawn> {
  return page.evaluate<Drawn>('drawn');
}

/** Tabs of one window, of which one is visible and the others are hidden, as for a person. Playwright's pages are all visible. */
export class Tabs {
  readonly #session: CDPSession;
  #commands = 0;

  private constructor(session: CDPSession) {
    this.#session = session;
  }

  static async of(browser: Browser): Promise<Tabs> {
    return new Tabs(await browser.newBrowserCDPSession());
  }

  /** Opens a tab, which is the visible one from now on. @returns what evaluates an expression in it */
  async open(url: string): Promise<Tab> {
    const { targetId } = await this.#session.send('Target.createTarget', { url });
    const { sessionId } = await this.#session.send('Target.attachToTarget', { targetId });
    const evaluate = async (expression: string): Promise<unknown> => {
      const id = ++this.#commands;
      const answered = new Promise<unknown>((resolve) => {
        const take = ({ message }: { readonly message: string }): void => {
          const answer = JSON.parse(message);
          if (answer.id !== id) return;
          this.#session.off('Target.receivedMessageFromTarget', take);
          resolve(answer.result?.result?.value);
        };
        this.#session.on('Target.receivedMessageFromTarget', take);
      });
      const message = JSON.stringify({ id, method: 'Runtime.evaluate', params: { expression } });
      await this.#session.send('Target.sendMessageToTarget', { sessionId, message });
      return answered;
    };
    return {
      evaluate,
      show: async () => void (await this.#session.send('Target.activateTarget', { targetId })),
    };
  }
}

export interface Tab {
  evaluate(expression: string): Promise<unknown>;
  /** Makes it the visible one. */
  show(): Promise<void>;
}
