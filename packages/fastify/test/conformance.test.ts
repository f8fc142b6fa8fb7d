import { fileURLToPath } from 'node:url';
import { conformance } from '@endless/conformance';

conformance(
  'fastify',
  fileURLToPath(new URL('./fixtures/conformance.mjs', import.meta.url)),
  {},
  {
    essential: true,
  },
);
