const KEY = 'lockstep-theme';
const THEMES = ['light', 'dark'] as const;
type Theme = (typeof THEMES)[number];

const system = matchMedia('(prefers-color-scheme: dark)');

/** Light or dark as the system has it, until the button says otherwise; tells when it changes. */
export function startTheme(button: HTMLButtonElement, onChange: () => void): void {
  const apply = (theme: Theme): void => {
    document.documentElement.dataset.theme = theme;
    button.textContent = theme === 'dark' ? 'Light' : 'Dark';
    button.setAttribute('aria-label', `Switch to ${theme === 'dark' ? 'light' : 'dark'} colours`);
    onChange();
  };
  apply(chosen() ?? ofSystem());
  system.addEventListener('change', () => apply(chosen() ?? ofSystem()));
  button.addEventListener('click', () => {
    const other = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    localStorage.setItem(KEY, other);
    apply(other);
  });
}

function chosen(): Theme | undefined {
  return THEMES.find((theme) => theme === localStorage.getItem(KEY));
}

function ofSystem(): Theme {
  return system.matches ? 'dark' : 'light';
}

/** A colour of style.css. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Of the run at this place, #rrggbb; they repeat. */
export function runColour(index: number): string {
  return colour(`run-${index % 6}`);
}
