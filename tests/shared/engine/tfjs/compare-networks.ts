// SEED=7 NETWORKS=1000 node dist/tests/shared/engine/tfjs/compare-networks.js tries others.
import { TfjsBackend } from '#src/shared/engine/tfjs/backend.js';
import { loadTfjs } from '#src/shared/engine/tfjs/load.js';
import { assertRandomNetworksAgree } from '../random-networks.ts';

const { SEED = '1', NETWORKS = '60' } = process.env;
const tf = loadTfjs();
assertRandomNetworksAgree(Number(SEED), Number(NETWORKS), (layout, { seed }) => new TfjsBackend(tf, layout, seed));
