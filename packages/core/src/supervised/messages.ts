import type { HandedSocket } from '../handoff/protocol.js';
import {
  type Check,
  hasShape,
  isRecord,
  isSocket,
  number,
  recordOf,
  type Shapes,
  text,
} from '../handoff/shapes.js';
import type { Asked, Bound } from '../listen/address.js';
import type { Settings } from '../settings.js';

/** Version of the messages below. A worker of another version than its supervisor does not start. */
export const RUN_PROTOCOL = 1;

/** What a worker of `endless run` gets before its first line runs, in `ENDLESS_SUPERVISOR`. */
export interface WorkerStart {
  protocol: number;
  /** The supervisor, which wrote this; only its own child accepts it. */
  pid: number;
  /** The stable number of the worker, from 0. */
  index: number;
  /** The worker's generation, if it has no predecessor. */
  generation: number;
  /** Descriptor of the line to its predecessor, if it has one. */
  line?: number;
  /** The listening sockets that it inherits. */
  sockets: InheritedSocket[];
  /** Settings that stay, whatever the program configures. */
  settings?: PinnedSettings;
  /** Whether lines of level info are dropped where the program has no logger of its own. */
  quiet?: boolean;
}

/** The settings that a supervisor may decide for the program. */
export type PinnedSettings = Pick<Settings, 'hammerTime' | 'idleGrace' | 'rollbackWindow'>;

/** A listening socket that the supervisor holds, and its descriptor in the worker. */
export interface InheritedSocket extends Pick<HandedSocket, 'asked' | 'bound'> {
  fd: number;
}

/** What a worker holds at one moment. */
export interface WorkerCounts {
  /** Open connections. */
  connections: number;
  /** Those of them that are no longer HTTP, such as WebSockets. */
  upgraded: number;
  /** In-flight requests. */
  requests: number;
  /** The part of the last seconds in which the event loop was busy, from 0 to 1. */
  loop: number;
}

/** What the program's `restart` settings change of the command of a successor; null removes a variable. */
export interface CommandChange {
  command?: string;
  args?: readonly string[];
  env?: Record<string, string | null>;
  cwd?: string;
}

/** The messages of the supervisor to a worker. */
export type FromSupervisor =
  /** Replace this worker by a new process; the replies are `committed`, `rolled-back` or `not-restarted`. */
  | { type: 'restart' }
  /** Give up on a new process that has not got `go`: another restart follows. */
  | { type: 'cancel' }
  /** From this all workers derive the keys of their TLS session tickets. */
  | { type: 'tickets'; secret: { base64: string } }
  /** Does the event loop of this worker still turn? The reply is `pong`. */
  | { type: 'ping' }
  /** What does this worker hold? The reply is `counts`. */
  | { type: 'count' }
  /** A copy of a listening socket, for a server that asks for its address: this worker, or another, listens there. */
  | { type: 'socket'; asked: Asked; bound: Bound }
  /** No worker serves this address any more. */
  | { type: 'drop'; bound: Bound }
  /** Another worker has found an address in use: send the sockets that this process has bound, and then `copied`. */
  | { type: 'copy'; id: number }
  /** The reply to `search`: so many other processes have sent all their sockets, each came by `socket`. */
  | { type: 'searched'; id: number; others: number }
  /** The reply to `spawn`: the new process runs. The handle is this worker's end of the line to it. */
  | { type: 'spawned'; id: number; pid: number }
  /** The other reply to `spawn`. */
  | { type: 'not-spawned'; id: number; message: string }
  /** A process that was started for this worker has exited. */
  | { type: 'exited'; pid: number; exitCode: number | null; signal: string | null }
  /** The reply to `restart-all`, with the process that took over from this worker. */
  | { type: 'restarted'; id: number; pid: number; generation: number; durationMs: number }
  /** The other reply to `restart-all`. */
  | { type: 'restart-failed'; id: number; message: string };

/** The messages of a worker to the supervisor. */
export type ToSupervisor =
  /** `inspector`: where the inspector of the worker listens, if it has one. */
  | { type: 'hello'; protocol: number; version: string; inspector?: string }
  /**
   * The worker listens here; the handle is a copy of its listening socket. `backlog`: how many connections may
   * wait there (optional: an older worker does not send it).
   */
  | { type: 'listening'; asked: Asked; bound: Bound; backlog?: number }
  /** An address is in use: another worker may have bound it just now. */
  | { type: 'search'; id: number }
  /** The reply to `copy`. */
  | { type: 'copied'; id: number }
  /** The program has closed its server at this address. */
  | { type: 'closed'; bound: Bound }
  /** The worker serves. `hammerTime`: milliseconds that a drain of it may take (-1: no limit). */
  | { type: 'ready'; generation: number; hammerTime: number }
  /** The worker has got a stop signal, and force-closes at the next one. */
  | { type: 'signalled' }
  /** The worker drains; `deadline`: milliseconds until it force-closes (-1: never). */
  | { type: 'draining'; reason: 'restart' | 'shutdown'; deadline: number }
  /** Start a successor of this worker, with this handoff and what the program's settings say. */
  | { type: 'spawn'; id: number; handoff: string; restart: CommandChange }
  /** Send a signal to a process that was started for this worker. */
  | { type: 'kill'; pid: number; signal: 'SIGTERM' | 'SIGKILL' }
  /** The restart of this worker can no longer be rolled back; `moved`: the connections that went to the new one. */
  | { type: 'committed'; pid: number; moved: number }
  /** The successor has failed, and this worker serves again. */
  | { type: 'rolled-back'; pid: number; message: string }
  /** No successor has taken over. */
  | { type: 'not-restarted'; message: string }
  /** Restart all workers. */
  | { type: 'restart-all'; id: number }
  /** The reply to `ping`: bytes of resident memory, and whether an inspector is open, which may hold this worker. */
  | { type: 'pong'; rss: number; inspected: boolean }
  /** The reply to `count`. */
  | ({ type: 'counts' } & WorkerCounts)
  /** Node.js sends the next handle once the last one was acknowledged. */
  | { cmd: 'NODE_HANDLE_ACK' };

const numberOrNull: Check = (value) => value === null || number(value);
const textOrNull: Check = (value) => value === null || text(value);

const FROM_SUPERVISOR: Shapes<FromSupervisor> = {
  restart: {},
  cancel: {},
  tickets: { secret: (value) => isRecord(value) && text(value.base64) },
  ping: {},
  count: {},
  socket: { asked: isRecord, bound: isRecord },
  drop: { bound: isRecord },
  copy: { id: number },
  searched: { id: number, others: number },
  spawned: { id: number, pid: number },
  'not-spawned': { id: number, message: text },
  exited: { pid: number, exitCode: numberOrNull, signal: textOrNull },
  restarted: { id: number, pid: number, generation: number, durationMs: number },
  'restart-failed': { id: number, message: text },
};

/** Whether a message is one that a supervisor sends. */
export function isFromSupervisor(message: unknown): message is FromSupervisor {
  if (!hasShape(message, FROM_SUPERVISOR)) return false;
  const { type, asked, bound } = message as Record<string, unknown>;
  if (type === 'socket') return isSocket({ asked, bound });
  return type !== 'drop' || isSocket({ asked: bound, bound });
}

/** The start of a worker in a text, or why it is invalid. */
export function workerStartOf(given: string): WorkerStart | string {
  const start = recordOf(given);
  if (typeof start === 'string') return start;
  const { protocol, index, generation, sockets } = start;
  if (protocol !== RUN_PROTOCOL)
    return `it uses version ${protocol} of the messages, and this release uses version ${RUN_PROTOCOL}`;
  if (!isNatural(index)) return 'its index is not a whole number';
  if (!isNatural(generation)) return 'its generation is not a whole number';
  if (!Array.isArray(sockets) || !sockets.every((each) => isSocket(each) && isNatural(each.fd)))
    return 'its sockets are invalid';
  if (start.settings !== undefined && !isRecord(start.settings)) return 'its settings are invalid';
  return start as unknown as WorkerStart;
}

function isNatural(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
