import type { Olders } from '../chain/olders.js';
import type { Servers } from '../connections/servers.js';
import type { Events } from '../events.js';
import type { Hooks } from '../hooks.js';
import type { Log } from '../log.js';
import type { Departure } from '../migrate/departure.js';
import type { Protocols } from '../migrate/protocols.js';
import type { SettingsStore } from '../settings-store.js';
import type { WaitGroup } from '../wait-group.js';
import type { World } from '../world.js';
import type { Apps } from './closing.js';
import type { ProgressLine } from './progress.js';

/** What a shutdown comes to. */
export interface ShutdownResult {
  /** What the hammer had to end by force. */
  forced: { requests: number; connections: number };
  /** Milliseconds from the beginning of the shutdown. */
  durationMs: number;
}

/** What a shutdown needs of the process that it ends. */
export interface ShutdownContext {
  world: World;
  servers: Servers;
  waits: WaitGroup;
  protocols: Protocols;
  hooks: Hooks;
  events: Events;
  settings: SettingsStore;
  log: Log;
  olders: Olders;
  apps: Apps;
  /** Aborted when the shutdown begins. */
  abort: AbortController;
  /** The connections on their way out, of which some may have gone before. */
  departure: Departure;
  /** Labels of the addresses that a successor serves from now on. */
  handed: ReadonlySet<string>;
  /** Whether `shutdownDelay` applies. */
  delays: boolean;
  /** Shows a person at a terminal what is left; absent where the log is the application's. */
  progress?: ProgressLine;
}
