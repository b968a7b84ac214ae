/** An empty selection of uPlot. */
export const NOTHING = { left: 0, width: 0, top: 0, height: 0 };

/**
 * uPlot handles the mouse alone. With this, a finger shows values too, and selects steps by moving across. Vertical movement scrolls the
 * page (style.css), which cancels the gesture here.
 */
export function followFinger(plot: uPlot): void {
  const { over } = plot;
  let start: number | undefined;
  const point = ({ clientX }: PointerEvent): number => {
    const { left: edge, width } = over.getBoundingClientRect();
    const left = Math.min(width, Math.max(0, clientX - edge));
    plot.setCursor({ left, top: 0 });
    return left;
  };
  over.addEventListener('pointerdown', (event) => {
    if (event.pointerType !== 'mouse' && event.isPrimary) start = point(event);
  });
  over.addEventListener('pointermove', (event) => {
    if (start === undefined || !event.isPrimary) return;
    const now = point(event);
    const [left, width] = [Math.min(start, now), Math.abs(now - start)];
    plot.setSelect({ left, width, top: 0, height: over.clientHeight }, false);
  });
  for (const end of ['pointerup', 'pointercancel'] as const) {
    over.addEventListener(end, ({ isPrimary }) => {
      if (start === undefined || !isPrimary) return;
      start = undefined;
      plot.setSelect(end === 'pointerup' ? plot.select : NOTHING);
    });
  }
}
