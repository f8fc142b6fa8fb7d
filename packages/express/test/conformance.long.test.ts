import { fileURLToPath } from 'node:url';
import { conformanceOnEndsOfRange } from '@endless/conformance';

conformanceOnEndsOfRange('express', fileURLToPath(new URL('./fixtures/conformance.mjs', import.meta.url)));
