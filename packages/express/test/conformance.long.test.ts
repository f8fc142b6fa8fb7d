import { fileURLToPath } from 'node:url';
import { conformanceOnEveryNode } from '@endless/conformance';

conformanceOnEveryNode('express', fileURLToPath(new URL('./fixtures/conformance.mjs', import.meta.url)));
