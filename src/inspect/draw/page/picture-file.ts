import type { Pixels } from '../../../shared/pictures/pixels.ts';
import { context } from './element.ts';

/** Pixels of a picture's longer side, at most: more are scaled down by the browser. */
const MAX_SIDE = 1024;

interface PictureHandlers {
  readonly onPixels: (pixels: Pixels) => void;
  /** Receives the file's name. */
  readonly onError: (name: string) => void;
}

/** Takes pictures from a file chooser, and those that are dropped on the page. */
export function acceptPictures(chooser: HTMLInputElement, handlers: PictureHandlers): void {
  const take = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    try {
      handlers.onPixels(await pixelsOf(file));
    } catch {
      handlers.onError(file.name);
    }
  };
  chooser.addEventListener('change', () => void take(chooser.files?.[0]));
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    event.preventDefault();
    void take(event.dataTransfer?.files[0]);
  });
}

/** RGBA, upright. */
async function pixelsOf(file: File): Promise<Pixels> {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(scale * bitmap.width));
  canvas.height = Math.max(1, Math.round(scale * bitmap.height));
  const drawn = context(canvas);
  drawn.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const { data } = drawn.getImageData(0, 0, canvas.width, canvas.height);
  return { width: canvas.width, height: canvas.height, channels: 4, data: new Uint8Array(data.buffer) };
}
