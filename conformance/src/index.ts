export type { Abilities } from './abilities.js';
export { RawClient } from './client.js';
export {
  getJson,
  hup,
  loggedAt,
  newestPid,
  type Served,
  type ServeOptions,
  serve,
  temporaryFolder,
  until,
} from './program.js';
export { conformance, conformanceOnEndsOfRange, conformanceOnEveryNode } from './suite.js';
export { describe, inLongSuite, longTest, rowsOf, rowTest, test } from './suites.js';
export { canManage, type Units, userManager } from './user-manager.js';
