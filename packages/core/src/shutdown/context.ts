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

/** The result of a shutdown. */
export interface ShutdownResult {
  /** What was force-closed. */
  forced: { requests: number; connections: number };
  /** Milliseconds from the beginning of the shutdown. */
  durationMs: number;
}

/** What a shutdown needs from the process that it ends. */
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
  /** The departure of the connections, of which some may have left before. */
  departure: Departure;
  /** Labels of the addresses that a successor serves from now on. */
  handed: ReadonlySet<string>;
  /** Whether `shutdownDelay` applies. */
  delays: boolean;
  /** Shows a user at a terminal what is left; absent if the log is the application's. */
  progress?: ProgressLine;
}
