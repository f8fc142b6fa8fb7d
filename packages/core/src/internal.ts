/**
 * The parts of core that the supervisor of `endless run` uses, which has the same version of core; not covered by
 * semantic versioning. Only what keeps no state belongs here, and nothing that imports `one-copy.ts`.
 */
export type { Shapes } from './handoff/shapes.js';
export type { Asked, Bound } from './listen/address.js';
export { unixSocketOf } from './listen/unix-table.js';
export { makeNonBlocking } from './node-private/pipe.js';
export { HANGUP_TIME, hasTerminal, startedByNohup, TERMINAL_CHECK } from './signals/terminal.js';
export {
  type CommandChange,
  type FromSupervisor,
  RUN_PROTOCOL,
  type ToSupervisor,
  type WorkerCounts,
  type WorkerStart,
} from './supervised/messages.js';
export { takePassedDescriptors } from './supervisor/passed-descriptors.js';
