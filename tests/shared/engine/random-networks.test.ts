import { it } from 'node:test';
import { nativeTargets } from '#src/shared/engine/native/addon.js';
import { assertNativeAgrees, assertRandomNetworksAgree } from './random-networks.ts';

it("the gradients of random networks are the reference's", () => assertRandomNetworksAgree(1, 20));

for (const target of nativeTargets())
  it(`native code (${target}) has the bits of WebAssembly on random networks`, () => assertNativeAgrees(target, 2, 10));
