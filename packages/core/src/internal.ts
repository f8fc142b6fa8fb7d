/**
 * The parts of core that the supervisor of `endless run` uses, which has the same version of core; not covered by
 * semantic versioning. Importing them creates no lifecycle: only `node:` modules and pure functions belong here.
 */
export type { Shapes } from './handoff/shapes.js';
export type { Asked, Bound } from './listen/address.js';
export { unixSocketOf } from './listen/unix-table.js';
export { makeNonBlocking } from './node-private/pipe.js';
export {
  type CommandChange,
  type FromSupervisor,
  RUN_PROTOCOL,
  type ToSupervisor,
  type WorkerStart,
} from './supervised/messages.js';
