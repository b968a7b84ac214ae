/**
 * A table for people, a line each, two blanks between columns.
 * @param lines the header first
 * @param figures headings of the columns that are aligned to the right
 */
export function alignedTable(lines: readonly (readonly string[])[], figures: ReadonlySet<string>): string[] {
  const [header = []] = lines;
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const cell = (text: string, column: number): string => {
    const width = widths[column] ?? 0;
    return figures.has(header[column] ?? '') ? text.padStart(width) : text.padEnd(width);
  };
  return lines.map((line) => line.map(cell).join('  ').trimEnd());
}
