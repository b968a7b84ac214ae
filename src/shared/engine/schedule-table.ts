/** From a step on, counted by the updates done before it, the learning rate is so many times --learning-rate. */
export type SchedulePoint = readonly [step: number, factor: number];

/** Points in ascending order of their steps, at least one. */
export type ScheduleTable = readonly SchedulePoint[];

/** How the learning rate changes in the course of a run. */
export type Schedule = 'cosine' | 'constant' | ScheduleTable;

export function isTable(schedule: Schedule): schedule is ScheduleTable {
  return typeof schedule !== 'string';
}

/** The factor of update t, counted from 0: linear between two points, and that of the first or last one outside of them. */
export function factorAt(table: ScheduleTable, t: number): number {
  const next = table.findIndex(([step]) => step > t);
  if (next <= 0) return (table.at(next) as SchedulePoint)[1];
  const [begin, from] = table[next - 1] as SchedulePoint;
  const [end, to] = table[next] as SchedulePoint;
  return from + (to - from) * ((t - begin) / (end - begin));
}
