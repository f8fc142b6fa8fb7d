import { shared } from './one-copy.js';

/** The one lifecycle of this process. */
export const { endless } = shared();

export type { ServerCounts, ServerStats } from './connections/servers.js';
export type { Hammered } from './drain/hammer.js';
export type { Endless, Stats } from './endless.js';
export { EndlessError, type EndlessErrorCode, type SuccessorEnd } from './errors.js';
export type { EndlessEvents } from './events.js';
export type { Hook, HookPhase } from './hooks.js';
export type { State } from './lifecycle/phase.js';
export type { Address, ListenTarget } from './listen/address.js';
export type { ListenOptions, Tls } from './listen/create-server.js';
export type { Logger } from './log.js';
export type { Leaving, ProtocolSockets, SocketProtocol, Tell } from './migrate/protocols.js';
export type { RestartResult } from './restart/context.js';
export type { ConnectToSelf, HealthCheck, RestartCommand, Settings } from './settings.js';
export type { ShutdownResult } from './shutdown/context.js';
export type { HookableSignal, SignalAction } from './signals/signals.js';
export type { Release } from './wait-group.js';
