// node --import dist/tests/support/many-processors.js …: has Node count 128 processors.

import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';

os.availableParallelism = () => 128;
syncBuiltinESMExports();
