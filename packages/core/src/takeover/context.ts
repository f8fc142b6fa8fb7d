import type { Olders } from '../chain/olders.js';
import type { Servers } from '../connections/servers.js';
import type { Log } from '../log.js';
import type { SettingsStore } from '../settings-store.js';
import type { World } from '../world.js';

/** What a candidate needs of the process that it is. */
export interface CandidateContext {
  world: World;
  version: string;
  settings: SettingsStore;
  log: Log;
  servers: Servers;
  olders: Olders;
  /** Just before the gates open. */
  beforeOpening(): void;
  /** The gates are open: this is the newest process. The old one can roll back for `window` milliseconds. */
  onGo(window: number): void;
}
