import { fileURLToPath } from 'node:url';
import { conformance } from '@endless/conformance';

conformance(
  'express',
  fileURLToPath(new URL('./fixtures/conformance.mjs', import.meta.url)),
  {},
  {
    essential: true,
  },
);
