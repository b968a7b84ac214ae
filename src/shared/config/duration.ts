import { z } from 'zod';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const FORM = /^(\d{1,9}(?:\.\d{1,3})?)([smhd])$/;
/** Timers take no more. */
const MAX_SECONDS = 24 * SECONDS.d;
export const DURATION_TEXT = 'a number with s, m, h or d behind it, such as 90s or 3h, up to 24d';

/** A time as a person writes it, such as 90s, 10m or 3h. */
export const Duration = z.string().superRefine((text, context) => {
  const seconds = secondsOf(text);
  if (Number.isNaN(seconds)) context.addIssue({ code: 'custom', message: 'is no time' });
  else if (seconds === 0) context.addIssue({ code: 'custom', message: 'is over at once' });
  else if (seconds > MAX_SECONDS) context.addIssue({ code: 'custom', message: 'is too long' });
});

/** @returns NaN if it is no duration */
export function secondsOf(text: string): number {
  const [, count, unit] = FORM.exec(text) ?? [];
  return Number(count) * SECONDS[(unit ?? 's') as keyof typeof SECONDS];
}
