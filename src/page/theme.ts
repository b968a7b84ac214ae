const KEY = 'lockstep-theme';
const THEMES = ['light', 'dark'] as const;
type Theme = (typeof THEMES)[number];

const system = matchMedia('(prefers-color-scheme: dark)');

/** Applies light or dark: the system's setting, or the last choice of the button. Calls `onChange` after each change. */
export function startTheme(button: HTMLButtonElement, onChange: () => void): void {
  const apply = (theme: Theme): void => {
    document.documentElement.dataset.theme = theme;
    button.textContent = theme === 'dark' ? 'Light' : 'Dark';
    button.setAttribute('aria-label', `Switch to ${theme === 'dark' ? 'light' : 'dark'} colours`);
    onChange();
  };
  apply(chosen() ?? systemTheme());
  system.addEventListener('change', () => apply(chosen() ?? systemTheme()));
  button.addEventListener('click', () => {
    const other = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    localStorage.setItem(KEY, other);
    apply(other);
  });
}

function chosen(): Theme | undefined {
  return THEMES.find((theme) => theme === localStorage.getItem(KEY));
}

function systemTheme(): Theme {
  return system.matches ? 'dark' : 'light';
}

/** A colour of style.css. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const COLOURS = 8;
/** The dashes of curves, so that the runs are told apart whose colours repeat; the first is none. */
const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [12, 3, 2, 3]];

/** The colour of a run's curves, #rrggbb. */
export function runColour(look: number): string {
  return colour(`run-${look % COLOURS}`);
}

/** The dash of a run's curves. */
export function runDash(look: number): readonly number[] {
  return DASHES[Math.floor(look / COLOURS) % DASHES.length] ?? [];
}

/** A short line as a run's curves are drawn, which follows the theme. */
export function swatch(look: number): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  made.setAttribute('viewBox', '0 0 26 8');
  made.setAttribute('class', 'swatch');
  made.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  line.setAttribute('d', 'M1 4H25');
  line.setAttribute('stroke-dasharray', runDash(look).join(' '));
  line.style.stroke = `var(--run-${look % COLOURS})`;
  made.append(line);
  return made;
}
