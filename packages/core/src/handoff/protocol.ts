import type { Asked, Bound } from '../listen/address.js';

/** Version of the messages below; two processes that do not share it refuse each other before anything has moved. */
export const PROTOCOL = 2;

/** Environment variable that carries the {@link Handoff}; the preload clears it when it reads it. */
export const HANDOFF_VARIABLE = 'ENDLESS_HANDOFF';

/** What a successor is told before its first line runs. */
export interface Handoff {
  protocol: number;
  /** The process that wrote this; believed only by its own child. */
  pid: number;
  /** The successor's generation. */
  generation: number;
  /** The listening sockets that will come over the channel. */
  sockets: HandedSocket[];
  /** Descriptor of the line to the service manager, where there is one. */
  notify?: number;
  /** Descriptor of the pid file, where there is one. */
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
  /** The service manager holds it too and made its path, which is not ours to remove. */
  activated?: boolean;
  /** A second name of a unix socket, with which its path can be put back. */
  kept?: string;
}

/** What the old process says to its successor. */
export type ToSuccessor =
  /** The listening socket at this place of {@link Handoff.sockets}, with its handle; without one if the old process has closed it. */
  | { type: 'socket'; index: number }
  /**
   * Accept now. `tickets`: TLS session ticket keys in base64, by the label of the address; they travel here only, since
   * an environment can be read by others. `window`: milliseconds in which the handover can be taken back.
   */
  | { type: 'go'; tickets: Record<string, string>; window: number }
  /**
   * What `restart.env` of the old process has put over the environment of the start: the values before, null where there was
   * none. They travel here only, since an environment can be read by others.
   */
  | { type: 'environment'; replaced: Record<string, string | null> }
  /** A restart was asked for while this one was under way: restart once more when the handover can no longer be taken back. */
  | { type: 'restart-again' }
  | MovingConnection
  /** Pieces of what the next words about these sockets need, in base64. */
  | { type: 'payload'; pieces: [id: number, data: string][] }
  /** A socket of this protocol and this server, with its handle; to be answered with `answer`, and not touched before `yours`. */
  | { type: 'offer'; id: number; protocol: string; address: string }
  /** These sockets belong to the successor now. */
  | { type: 'transfer'; ids: number[] }
  /** What was said of a socket after it had left. `reply`: the number by which it is answered with `told`; 0: not at all. */
  | { type: 'socket-message'; id: number; reply: number }
  /** The start time is up: become ready with the addresses that are claimed, unless `ready` is `'manual'`. */
  | { type: 'settle' }
  /** No other connection will come. */
  | { type: 'last' }
  /** The answer to `pause`: nothing follows until `resume`. */
  | { type: 'paused' }
  /** The other answer to `pause`: something is on its way. */
  | { type: 'busy' }
  | OlderProcess
  /** The handover can no longer be taken back. */
  | { type: 'committed' }
  /** The old process has taken its place back: stop gracefully, within so many milliseconds (-1: no limit). */
  | { type: 'retire'; deadline: number };

/**
 * A live connection of the server at this address, with its handle; to be answered with `taken`. `used`: it has carried
 * a request.
 */
export interface MovingConnection {
  type: 'connection';
  id: number;
  address: string;
  used: boolean;
}

/**
 * The channel to an older process, as its handle; to be answered with `adopted`. `last`: it sends no connections any more.
 * `routes`: for sockets that came from it, its ids and those under which they went on to the successor.
 */
export interface OlderProcess {
  type: 'older';
  generation: number;
  last: boolean;
  routes: [theirs: number, ours: number][];
}

/** What a successor says to the old process. */
export type ToPredecessor =
  | { type: 'hello'; protocol: number; version: string }
  /** A piece of what the candidate writes to stderr. */
  | { type: 'stderr'; text: string }
  /** The inherited addresses that listen behind the gate now. */
  | { type: 'claims'; labels: string[]; waiting: string[] }
  /** A copy of the listening socket at this address, with its handle: with it the old process can take over again. */
  | { type: 'listener-copy'; address: string }
  | { type: 'ready'; dropped: string[] }
  /** The new process itself finds that it cannot serve. */
  | { type: 'unready'; message: string }
  /** The gates are open. */
  | { type: 'accepting' }
  /** The connections with these ids have arrived and are served; `lost` came without their handle. */
  | { type: 'moved'; ids: number[]; lost: number[] }
  /** This process takes the channels of older processes. */
  | { type: 'adopts' }
  /** Whether the channel to the older process of this generation has arrived. */
  | { type: 'adopted'; generation: number; done: boolean }
  /** This process wants to give its end of the channel to its successor; to be answered with `paused` or `busy`. */
  | { type: 'pause' }
  /** The process with this pid reads the channel from now on. */
  | { type: 'resume'; pid: number }
  /** The protocols of which this process serves sockets. */
  | { type: 'protocols'; names: string[] }
  /** Which of the offered sockets it would serve. */
  | { type: 'answer'; accepted: number[]; refused: number[] }
  /** Which words about sockets are `done`, each by the numbers of its socket and its reply, and which sockets have ended. */
  | { type: 'told'; done: [id: number, reply: number][]; ended: number[] }
  /** The addresses whose connections the new process wants to be kept from moving. */
  | { type: 'keeps'; addresses: string[] }
  /** A `healthCheck` has failed within the rollback window, and is asked again. */
  | { type: 'check-failed'; message: string }
  /** It has succeeded since. */
  | { type: 'check-passed' }
  /** A restart was asked for within the rollback window: it waits for `committed`, and is the old process's after a rollback. */
  | { type: 'restart-asked' }
  /**
   * The newest process stops: nothing moves to it any more, what still drains has this many milliseconds (-1: no limit), and
   * idle connections have so many.
   */
  | { type: 'stop'; deadline: number; idleGrace: number }
  /** Which process is the newest now, after a handover of the one that says it or of a newer one, or a rollback. Goes along the chain. */
  | { type: 'newest'; pid: number }
  /** So many generations may go on draining requests; those beyond end now. Goes along the chain. */
  | { type: 'prune'; left: number };
