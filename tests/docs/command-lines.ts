// Our commands among the lines of a shell.

/** How our program is started. */
const STARTS: readonly (readonly [start: RegExp, command: readonly string[]])[] = [
  [/^npm (?:--silent )?start(?: --)?(?= |$)/, ['train']],
  [/^npm (?:--silent )?run lockstep --(?= )/, []],
  [/^(?:npx )?lockstep(?= )/, []],
  [/^(?:exec )?(?:\/usr\/bin\/)?node (?:\S*\/)?dist\/cli\/main\.js(?= )/, []],
];

/** The arguments of each of our commands in a block of shell. */
export function ownCommands(code: string): string[][] {
  const lines = code.replaceAll(/\\\n\s*/g, ' ').split('\n');
  return lines.flatMap(commandsOf).flatMap((command) => {
    const text = command.trim().replace(/^(?:\w+=\S* )+/, '');
    for (const [start, words] of STARTS) {
      const match = start.exec(text);
      if (match !== null) return [[...words, ...wordsOf(text.slice(match[0].length))]];
    }
    return [];
  });
}

/** The simple commands of a line, without comments and redirections. */
function commandsOf(line: string): string[] {
  const parts: string[] = [''];
  for (const [token] of line.matchAll(/'[^']*'|"(?:\\.|[^"])*"|&&|\|\||[;|&]|\s#.*$|^#.*$|\d?>{1,2}\s*\S+|[^'"]/g)) {
    if (/^(?:&&|\|\||[;|&])$/.test(token)) parts.push('');
    else if (!/^\s?#|^\d?>/.test(token)) parts.push(`${parts.pop()}${token}`);
  }
  return parts;
}

/** The words of a command as a shell cuts them; variables stay as they are. */
function wordsOf(command: string): string[] {
  const words = command.match(/(?:'[^']*'|"(?:\\.|[^"])*"|\\.|[^\s'"\\])+/g) ?? [];
  return words.map((word) => word.replaceAll(/'([^']*)'|"((?:\\.|[^"])*)"/g, (_, single, double) => single ?? double));
}
