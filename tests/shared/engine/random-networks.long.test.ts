// SEED=7 NETWORKS=1000 node dist/tests/shared/engine/random-networks.long.test.js tries others.
import { it } from 'node:test';
import { assertRandomNetworksAgree } from './random-networks.ts';

const { SEED = '1', NETWORKS = '300' } = process.env;

it("the gradients of 300 random networks are the reference's", () =>
  assertRandomNetworksAgree(Number(SEED), Number(NETWORKS)));
