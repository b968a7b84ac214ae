import type { CDPSession, Page } from 'playwright-core';

/** A finger on the screen, in CSS pixels. */
export interface Finger {
  readonly id: number;
  readonly x: number;
  readonly y: number;
}

/** Fingers on a page, through the browser's own input: gestures are told apart as a person's are. */
export class Fingers {
  readonly #session: CDPSession;
  #down = 0;

  private constructor(session: CDPSession) {
    this.#session = session;
  }

  static async on(page: Page): Promise<Fingers> {
    return new Fingers(await page.context().newCDPSession(page));
  }

  /** All that are on the screen now; those that are missing have been lifted. */
  async place(...touchPoints: readonly Finger[]): Promise<void> {
    const change = Math.sign(touchPoints.length - this.#down);
    const type = ({ '-1': 'touchEnd', '0': 'touchMove', '1': 'touchStart' } as const)[`${change as -1 | 0 | 1}`];
    this.#down = touchPoints.length;
    await this.#session.send('Input.dispatchTouchEvent', { type, touchPoints: [...touchPoints] });
  }

  /** One finger, from one place to another. */
  async drag(from: Omit<Finger, 'id'>, to: Omit<Finger, 'id'>): Promise<void> {
    const steps = 12;
    for (let i = 0; i <= steps; i++) {
      const along = (a: number, b: number): number => a + ((b - a) * i) / steps;
      await this.place({ id: 0, x: along(from.x, to.x), y: along(from.y, to.y) });
    }
    await this.place();
  }
}
