/** One stroke of the pen: the control points [x, y] of a curve; a point given twice is a corner. */
export type Stroke = readonly (readonly [x: number, y: number])[];
/** One way to write a digit. */
export type Glyph = readonly Stroke[];

/** Ways to write each digit in a box of 20 by 20, y downwards; strokes are separated by a slash. */
const WRITTEN: readonly (readonly string[])[] = [
  ['10,0 4,2 2,10 4,18 10,20 16,18 18,10 16,2 10,0', '14,1 8,0 4,5 4,14 8,20 14,18 17,11 15,3 9,1'],
  ['10,0 10,20', '6,4 10,0 10,0 10,20', '6,4 10,0 10,0 10,20 / 5,20 15,20'],
  ['4,5 5,0 14,-1 17,5 13,11 4,20 4,20 17,20', '4,4 7,-1 15,0 16,6 11,13 4,20 3,16 8,16 12,20 17,19'],
  ['4,2 9,-1 16,1 15,8 8,9 8,9 16,10 18,17 11,21 3,18', '4,0 15,0 15,0 9,8 9,8 16,8 18,17 10,22 3,18'],
  ['7,0 3,12 3,12 17,12 / 13,5 12,20', '13,20 13,0 13,0 3,13 3,13 17,13'],
  ['15,0 6,0 6,0 5,9 5,9 13,6 18,12 14,21 3,19', '6,0 5,8 5,8 14,6 17,13 13,21 4,18 / 6,0 16,0'],
  ['13,0 6,4 3,12 4,19 11,21 17,17 14,10 8,10 4,15', '10,0 5,9 3,17 8,21 15,20 15,12 9,11 4,16'],
  ['4,0 16,0 16,0 9,20', '4,0 16,0 16,0 9,20 / 7,10 15,10', '4,3 4,0 4,0 16,0 16,0 11,9 10,20'],
  [
    '15,3 10,-1 4,1 5,7 10,9 16,13 16,19 10,21 4,19 4,13 10,10 15,7 15,3',
    '10,10 4,8 4,0 10,-1 16,0 16,8 10,10 3,12 3,20 10,21 17,20 17,12 10,10',
  ],
  ['15,5 13,-1 7,0 4,5 7,11 13,9 15,4 15,4 14,20', '15,3 10,-1 4,2 4,9 10,11 15,7 16,2 16,2 15,14 12,20 6,20'],
];

/** The ways to write each digit, by class. */
export const GLYPHS: readonly (readonly Glyph[])[] = WRITTEN.map((ways) =>
  ways.map((way) => way.split(' / ').map(strokeOf)),
);

function strokeOf(points: string): Stroke {
  return points.split(' ').map((point) => {
    const [x = 0, y = 0] = point.split(',').map(Number);
    return [x, y] as const;
  });
}
