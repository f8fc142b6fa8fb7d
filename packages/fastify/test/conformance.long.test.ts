import { fileURLToPath } from 'node:url';
import { conformanceOnEndsOfRange } from '@endless/conformance';

conformanceOnEndsOfRange('fastify', fileURLToPath(new URL('./fixtures/conformance.mjs', import.meta.url)));
