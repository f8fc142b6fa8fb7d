import type { Attempt } from './attempt.js';
import type { Standby } from './standby.js';

/** How far a restart has come. */
export type Stage =
  /** It waits until the predecessor has committed. */
  | { name: 'waiting' }
  /** Its pre hooks run. `long`: so long that one of them may wait for a server to close. */
  | { name: 'hooks'; long: boolean }
  /** It starts a successor, which is a candidate. */
  | { name: 'starting'; attempt?: Attempt }
  /** The successor serves, and this process can still take over again. */
  | { name: 'window'; standby: Standby }
  /** It has failed, is rolled back, or is committed. */
  | { name: 'over' };
