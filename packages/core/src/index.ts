import { shared } from './one-copy.js';

/** The one lifecycle of this process. */
export const { endless } = shared();

export type { Hammered } from './drain/hammer.js';
export type { Release } from './drain/holds.js';
export type { Endless, Stats } from './endless.js';
export { EndlessError, type EndlessErrorCode, type SuccessorEnd } from './errors.js';
export type { ShutdownResult } from './lifecycle/ending.js';
export type { EndlessEvents } from './lifecycle/events.js';
export type { Hook, HookPhase } from './lifecycle/hooks.js';
export type { State } from './lifecycle/lifecycle.js';
export type { RestartResult } from './lifecycle/restart.js';
export type { ServerCounts, ServerStats } from './lifecycle/servers.js';
export type { Address, ListenTarget } from './listen/address.js';
export type { ListenOptions, Tls } from './listen/create-server.js';
export type { Logger } from './log.js';
export type { Leaving, ProtocolSockets, SocketProtocol, Tell } from './migrate/protocols.js';
export type { ConnectToSelf } from './readiness/health.js';
export type { HealthCheck, RestartCommand, Settings } from './settings.js';
export type { HookableSignal, SignalAction } from './signals/signals.js';
