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

/** The colour of the run at this index, #rrggbb; colours repeat. */
export function runColour(index: number): string {
  return colour(`run-${index % 6}`);
}
