import { fileURLToPath } from 'node:url';
import { conformance } from '@endless/conformance';

conformance(
  'node:http',
  fileURLToPath(new URL('./fixtures/conformance.mjs', import.meta.url)),
  {
    errorHandler: 'no: plain node:http has none, so endless itself answers',
    hijack: 'no: there is no framework to take the response from',
  },
  { essential: true },
);
