/** Numbers of the caller's own that were read after a step, by name. They come from its host and decide nothing. */
export type OwnValues = Readonly<Record<string, number>>;

/** Such a scalar's tag in TensorBoard, and its key among the quantities of a history. */
export type OwnQuantity = `host/${string}`;

export function ownQuantity(name: string): OwnQuantity {
  return `host/${name}`;
}

export function isOwnQuantity(key: string): key is OwnQuantity {
  return key.startsWith('host/');
}

export const MAX_OWN_SCALARS = 16;
export const OWN_SCALAR_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
