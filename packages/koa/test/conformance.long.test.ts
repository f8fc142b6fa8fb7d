import { fileURLToPath } from 'node:url';
import { conformanceOnEveryNode } from '@endless/conformance';

conformanceOnEveryNode('koa', fileURLToPath(new URL('./fixtures/conformance.mjs', import.meta.url)));
