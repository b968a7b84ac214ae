import type { Grey } from '../../images/ink.ts';
import { context } from './element.ts';

/** The pen's width as a share of the pad's side: MNIST's strokes are about a tenth of a digit. */
const PEN = 0.075;

type Place = readonly [x: number, y: number];

/** A square on which one draws with mouse, pen or finger: black ink on white. */
export class Pad {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #onChange: (since: number) => void;
  /** The last place of each pointer that is down: each finger draws a line of its own. */
  readonly #last = new Map<number, Place>();

  /** @param onChange receives the time at which the change began, in milliseconds as `performance.now` counts them */
  constructor(canvas: HTMLCanvasElement, onChange: (since: number) => void) {
    this.#canvas = canvas;
    this.#context = context(canvas);
    this.#onChange = onChange;
    this.#context.lineWidth = PEN * canvas.width;
    this.#context.lineCap = 'round';
    this.#wipe();
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.#last.set(event.pointerId, this.#placeOf(event));
      this.#strokeTo(event);
    });
    canvas.addEventListener('pointermove', (event) => this.#strokeTo(event));
    for (const end of ['pointerup', 'pointercancel'] as const) {
      canvas.addEventListener(end, ({ pointerId }) => this.#last.delete(pointerId));
    }
  }

  clear(): void {
    this.#wipe();
    this.#onChange(performance.now());
  }

  grey(): Grey {
    const { width, height } = this.#canvas;
    const { data } = this.#context.getImageData(0, 0, width, height);
    const grey = new Uint8Array(width * height);
    // Black on white: any channel is the grey value. `Uint8Array.from` takes five times as long as a loop.
    for (let i = 0; i < grey.length; i++) grey[i] = data[4 * i] as number;
    return { width, height, data: grey };
  }

  #wipe(): void {
    this.#context.fillStyle = '#ffffff';
    this.#context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
  }

  #strokeTo(event: PointerEvent): void {
    let last = this.#last.get(event.pointerId);
    if (last === undefined) return;
    // A quick hand moves on several times between two frames.
    const moves = event.getCoalescedEvents();
    this.#context.beginPath();
    this.#context.moveTo(...last);
    for (const move of moves.length === 0 ? [event] : moves) {
      last = this.#placeOf(move);
      this.#context.lineTo(...last);
    }
    this.#last.set(event.pointerId, last);
    this.#context.stroke();
    this.#onChange(event.timeStamp);
  }

  #placeOf({ clientX, clientY }: PointerEvent): Place {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [((clientX - left) / width) * this.#canvas.width, ((clientY - top) / height) * this.#canvas.height];
  }
}
