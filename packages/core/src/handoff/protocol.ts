import type { Asked, Bound } from '../listen/address.js';

/** Version of the messages below. Processes of different versions refuse each other before anything moves. */
export const PROTOCOL = 2;

/** Environment variable that carries the {@link Handoff}; the preload clears it when it reads it. */
export const HANDOFF_VARIABLE = 'ENDLESS_HANDOFF';

/** Environment variable that `endless run` sets for each worker; the preload clears it when it reads it. */
export const SUPERVISOR_VARIABLE = 'ENDLESS_SUPERVISOR';

/** What a successor gets before its first line runs. */
export interface Handoff {
  protocol: number;
  /** The process that wrote this; only its own child accepts it. */
  pid: number;
  /** The successor's generation. */
  generation: number;
  /** The listening sockets that will come over the channel. */
  sockets: HandedSocket[];
  /** Descriptor of the notify socket of the service manager, if there is one. */
  notify?: number;
  /** Descriptor of the pid file, if there is one. */
  pidFile?: number;
  /** Whether the first process was started in the foreground of a terminal. */
  foreground?: boolean;
}

/** A listening socket that the successor will get. */
export interface HandedSocket {
  /** The address as the old program asked for it. */
  asked: Asked;
  /** The address as the kernel knows it. */
  bound: Bound;
  /** The service manager holds it too and made its path, which endless must not remove. */
  activated?: boolean;
  /** A second name of a unix socket, with which its path can be put back. */
  kept?: string;
}

/** The messages of the old process to its successor. */
export type ToSuccessor =
  /**
   * The listening socket at this index of {@link Handoff.sockets}, with its handle; without a handle if the
   * old process has closed it.
   */
  | { type: 'socket'; index: number }
  /**
   * Accept now. `tickets`: TLS session ticket keys in base64, by the label of the address; they travel only
   * here, since other programs can read an environment. `window`: milliseconds in which the old process can
   * roll back.
   */
  | { type: 'go'; tickets: Record<string, string>; window: number }
  /**
   * The variables that the old process's `restart.env` replaced, with their values before; null if a variable
   * was not set. They travel only here, since other programs can read an environment.
   */
  | { type: 'environment'; replaced: Record<string, string | null> }
  /** Another restart was requested during this one: restart again after the commit. */
  | { type: 'restart-again' }
  | MovingConnection
  /** Pieces of what the next messages about these sockets need, in base64. */
  | { type: 'payload'; pieces: [id: number, data: string][] }
  /**
   * A socket of this protocol and this server, with its handle. The successor replies with `answer`, and does
   * not touch the socket before `transfer`.
   */
  | { type: 'offer'; id: number; protocol: string; address: string }
  /** These sockets belong to the successor now. */
  | { type: 'transfer'; ids: number[] }
  /** A message for a socket that has moved. `reply`: the number with which `told` replies; 0: no reply. */
  | { type: 'socket-message'; id: number; reply: number }
  /** The start time is up: become ready with the addresses that are claimed, unless `ready` is `'manual'`. */
  | { type: 'settle' }
  /** No more connections come. */
  | { type: 'last' }
  /** The reply to `pause`: no message follows until `resume`. */
  | { type: 'paused' }
  /** The other reply to `pause`: something is on its way. */
  | { type: 'busy' }
  | OlderProcess
  /** The old process can no longer roll back. */
  | { type: 'committed' }
  /** The old process has rolled back: stop gracefully, within `deadline` milliseconds (-1: no limit). */
  | { type: 'retire'; deadline: number };

/**
 * A live connection of the server at this address, with its handle; the successor acknowledges it with
 * `moved`. `used`: it has carried a request.
 */
export interface MovingConnection {
  type: 'connection';
  id: number;
  address: string;
  used: boolean;
}

/**
 * The channel to an older process, as its handle; the successor replies with `adopted`. `last`: that process
 * sends no more connections. `routes`: for sockets that came from it, its ids and those under which they went
 * on to the successor.
 */
export interface OlderProcess {
  type: 'older';
  generation: number;
  last: boolean;
  routes: [theirs: number, ours: number][];
}

/** The messages of a successor to the old process. */
export type ToPredecessor =
  | { type: 'hello'; protocol: number; version: string }
  /** A piece of what the candidate writes to stderr. */
  | { type: 'stderr'; text: string }
  /** The inherited addresses that are claimed now (`labels`), and those that are not (`waiting`). */
  | { type: 'claims'; labels: string[]; waiting: string[] }
  /** The listener copy of this address, as its handle: with it the old process can take over again. */
  | { type: 'listener-copy'; address: string }
  | { type: 'ready'; dropped: string[] }
  /** The new process reports that it cannot serve. `stops`: it has begun to stop, and no check has failed. */
  | { type: 'unready'; message: string; stops?: boolean }
  /** The gates are open. */
  | { type: 'accepting' }
  /** The connections with these ids have arrived and are served; `lost` ones came without their handle. */
  | { type: 'moved'; ids: number[]; lost: number[] }
  /** This process takes the channels of older processes. */
  | { type: 'adopts' }
  /** Whether the channel to the older process of this generation has arrived. */
  | { type: 'adopted'; generation: number; done: boolean }
  /** This process wants to give its end of the channel to its successor; the reply is `paused` or `busy`. */
  | { type: 'pause' }
  /** The process with this pid reads the channel from now on. */
  | { type: 'resume'; pid: number }
  /** The protocols whose sockets this process serves. */
  | { type: 'protocols'; names: string[] }
  /** Which of the offered sockets this process would serve. */
  | { type: 'answer'; accepted: number[]; refused: number[] }
  /** Which messages for sockets are `done`, by socket and `reply`, and which sockets have ended. */
  | { type: 'told'; done: [id: number, reply: number][]; ended: number[] }
  /** The addresses whose connections must not move to the new process. */
  | { type: 'keeps'; addresses: string[] }
  /** A `healthCheck` has failed within the rollback window; the new process calls it again. */
  | { type: 'check-failed'; message: string }
  /** The `healthCheck` has succeeded since. */
  | { type: 'check-passed' }
  /**
   * A restart was requested within the rollback window: it waits for `committed`. After a rollback the old
   * process makes it.
   */
  | { type: 'restart-asked' }
  /**
   * The newest process stops: nothing moves to it any more. The processes that still drain have `deadline`
   * milliseconds (-1: no limit), and idle connections have `idleGrace`.
   */
  | { type: 'stop'; deadline: number; idleGrace: number }
  /**
   * The pid of the newest process, after a handover or a rollback of the sender or of a newer process. Goes
   * along the chain.
   */
  | { type: 'newest'; pid: number }
  /** `left` generations may go on draining requests; those beyond force-close now. Goes along the chain. */
  | { type: 'prune'; left: number };
