/** Numbers of the caller's own that were read after a step, by name. They come from its host and decide nothing. */
export type OwnValues = Readonly<Record<string, number>>;

export const MAX_OWN_SCALARS = 16;
export const OWN_SCALAR_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
