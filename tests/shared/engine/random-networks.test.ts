import { it } from 'node:test';
import { assertRandomNetworksAgree } from './random-networks.ts';

it("the gradients of random networks are the reference's", () => assertRandomNetworksAgree(1, 20));
