/**
 * A record of a program: 64 bytes, an operation's number and up to 15 words of arguments. Kinds of words: pointer; byte
 * offset into the weights or the gradient (-1: none, which operations see as pointer 0); integer; the bits of a float32;
 * three words of a MapStack; a pair of 16-bit numbers (rows above columns). src/shared/engine/operations.ts has the kinds
 * of each operation's arguments.
 */
import { MapStack } from './map-stack';

export const RECORD: usize = 64;

/** Argument `k` of a record, from 1. */
// @ts-ignore: AssemblyScript decorator
@inline
export function int(record: usize, k: usize): i32 {
  return load<i32>(record + (k << 2));
}

// @ts-ignore: AssemblyScript decorator
@inline
export function pointer(record: usize, k: usize): usize {
  return load<usize>(record + (k << 2));
}

// @ts-ignore: AssemblyScript decorator
@inline
export function float(record: usize, k: usize): f32 {
  return load<f32>(record + (k << 2));
}

/** The MapStack whose three words start at argument `k`. */
// @ts-ignore: AssemblyScript decorator
@inline
export function maps(record: usize, k: usize): MapStack {
  return changetype<MapStack>(record + (k << 2));
}

/** The upper number of a pair. */
// @ts-ignore: AssemblyScript decorator
@inline
export function rows(record: usize, k: usize): i32 {
  return load<u16>(record + (k << 2), 2);
}

/** The lower number of a pair. */
// @ts-ignore: AssemblyScript decorator
@inline
export function columns(record: usize, k: usize): i32 {
  return load<u16>(record + (k << 2));
}

/** Where an offset into `base` points; 0 if it is -1. */
// @ts-ignore: AssemblyScript decorator
@inline
export function within(base: usize, record: usize, k: usize): usize {
  return int(record, k) == -1 ? 0 : base + pointer(record, k);
}
