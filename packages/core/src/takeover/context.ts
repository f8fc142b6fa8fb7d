import type { Server } from 'node:net';
import type { Olders } from '../chain/olders.js';
import type { Servers } from '../connections/servers.js';
import type { Deferred } from '../handoff/newcomers.js';
import type { Log } from '../log.js';
import type { SettingsStore } from '../settings-store.js';
import type { World } from '../world.js';

/** A server whose socket could not listen at `go`. */
export interface ListenFailure {
  server: Server;
  errno: number;
  /** Absent if it has inherited the socket. */
  deferred?: Deferred;
}

/** What a candidate needs of the process that it is. */
export interface CandidateContext {
  world: World;
  version: string;
  settings: SettingsStore;
  log: Log;
  servers: Servers;
  olders: Olders;
  /** Whether a server still finds out if another worker has its address. */
  searching(): boolean;
  /** Just before the gates open. */
  beforeOpening(): void;
  /** A server listens in the eyes of the program, and its socket does not. */
  cannotListen(failure: ListenFailure): void;
  /** The gates are open: this is the newest process. The old one can roll back for `window` milliseconds. */
  onGo(window: number): void;
}
