import { testedNodes } from '@endless/testkit';
import { describe } from 'vitest';
import { ENDINGS, http1Corners } from './http1-corners.js';

for (const { version, path } of testedNodes())
  describe(`HTTP/1.1 on Node ${version}`, () => http1Corners(path, ENDINGS));
