import { spawnSync } from 'node:child_process';
import { type Browser, chromium, type Page } from 'playwright-core';

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

export async function watch(
  browser: Browser,
  url: string,
  options: Parameters<Browser['newPage']>[0] = {},
): Promise<Watched> {
  const page = await browser.newPage(options);
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
