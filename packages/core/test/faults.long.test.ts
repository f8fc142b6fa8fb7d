import { nodeBinaries } from '@endless/testkit';
import { faultMatrix } from './fault-matrix.js';

for (const { major, path } of nodeBinaries())
  if (major === 20 || major === 26) faultMatrix(`Node ${major}`, path);
