// The library in a browser: import { Inspector, layoutOf, prepare } from 'lockstep/browser'. Nothing that it leads to needs Node: it is
// compiled once more with the drawing page, into a folder that any web server can have. Types that index.ts has too are taken from there.
export {
  type ForwardTrace,
  Inspector,
  type InspectorOptions,
  type LayerActivation,
  type OutputTrace,
} from '../inspect/activations/inspector.ts';
export { type Prepared, prepare } from '../inspect/images/prepare.ts';
export { layoutOf, type ModelLayout } from '../shared/model/layout.ts';
export type { Pixels } from '../shared/pictures/pixels.ts';
