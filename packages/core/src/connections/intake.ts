import cluster from 'node:cluster';
import type { Server } from 'node:net';
import { attempt } from '../attempt.js';
import { messageOf } from '../errors.js';
import { type Asked, askedOf, label } from '../listen/address.js';
import type { ListenOptions } from '../listen/create-server.js';
import { privateServers } from '../listen/private-servers.js';
import { limit } from '../listen/timeouts.js';
import { bindBesidePath, isFilePath, losesPath } from '../listen/unix-path.js';
import type { Log } from '../log.js';
import type { SettingsStore } from '../settings-store.js';
import type { World } from '../world.js';
import type { Servers } from './servers.js';

/** What the intake of servers needs from its process. */
export interface IntakeContext {
  world: World;
  servers: Servers;
  settings: SettingsStore;
  log: Log;
  generation(): number;
  /** Gives an existing socket to a server that is about to listen; returns whether there is one. */
  claim(server: Server, asked: Asked, ipv6Only: boolean): boolean;
  /** Whether it is a mistake of the program if endless did not see a server from its beginning. */
  expectsAll(): boolean;
  /** A server listens, and endless looks after it. */
  onListening(server: Server): void;
  /** A server is made to listen, with these options. */
  asks(server: Server, options: Record<string, unknown>): void;
  /** A server is about to bind its address itself. */
  binds(server: Server, asked: Asked): void;
}

/** Follows each server from before it listens to the moment before it accepts: its options and address. */
export class Intake {
  readonly beforeBegin: ((address: unknown) => void)[] = [];
  readonly #context: IntakeContext;
  /** The servers whose `listen()` endless has seen from its beginning. */
  readonly #seen = new WeakSet<Server>();
  readonly #asked = new WeakMap<Server, Asked>();
  readonly #backlogs = new WeakMap<Server, number>();
  readonly #given = new WeakMap<Server, { address: unknown; options: ListenOptions }>();
  readonly #begun = new WeakSet<Server>();

  constructor(context: IntakeContext) {
    this.#context = context;
  }

  /** Remembers what `endless.listen` was given for this server. */
  expect(server: Server, address: unknown, options: ListenOptions): void {
    this.#given.set(server, { address, options });
    if (options.migrate !== undefined) this.#context.servers.setMigrate(server, options.migrate);
  }

  /** Whether `endless.listen` made this server listen. */
  expected(server: Server): boolean {
    return this.#given.has(server);
  }

  /** A server is about to listen. */
  beforeListen(server: Server, options: Record<string, unknown>): void {
    if (privateServers.has(server)) return;
    this.#seen.add(server);
    const { world, settings, claim } = this.#context;
    const own = this.#given.get(server)?.options;
    const { readTimeout, writeTimeout, maxHeaderBytes } = settings.current;
    limit(
      server,
      {
        readTimeout: own?.readTimeout ?? readTimeout,
        writeTimeout: own?.writeTimeout ?? writeTimeout,
        maxHeaderBytes: own?.maxHeaderBytes ?? maxHeaderBytes,
      },
      world,
    );
    this.#context.asks(server, options);
    const asked = askedOf(options);
    // It may have asked for another address before.
    this.#asked.delete(server);
    if (!asked) return;
    this.#asked.set(server, asked);
    if (typeof options.backlog === 'number') this.#backlogs.set(server, options.backlog);
    if (claim(server, asked, options.ipv6Only === true)) return;
    this.#context.binds(server, asked);
    // The server of a cluster worker listens in its primary.
    if ('path' in asked && isFilePath(asked.path) && !cluster.isWorker) bindBesidePath(server, asked.path);
  }

  /** The address that a server has asked for last. */
  askedBy(server: Server): Asked | undefined {
    return this.#asked.get(server);
  }

  /** A server listens. */
  listening(server: Server): void {
    if (privateServers.has(server)) return;
    const { servers, expectsAll, log, onListening } = this.#context;
    if (!this.#seen.has(server) && expectsAll())
      log.warn(
        'A server listened before the first use of endless: connections opened before its first request are not drained. Call endless() before listen().',
      );
    const asked = this.#asked.get(server);
    if (asked && 'path' in asked) this.#warnOfPath(server, asked.path);
    servers.add(server, asked, this.#backlogs.get(server));
    onListening(server);
  }

  #warnOfPath(server: Server, socketPath: string): void {
    if (!losesPath(server, socketPath)) return;
    this.#context.log.warn(
      `unix:${socketPath} cannot be handed over: its folder does not support hard links. A restart will be refused. Use a folder with hard links.`,
    );
  }

  /** The last moment before a server accepts: `BeforeBegin` of Go endless. */
  begin(server: Server): void {
    if (this.#begun.has(server)) return;
    this.#begun.add(server);
    server.once('close', () => this.#begun.delete(server));
    const { world, servers, log, generation } = this.#context;
    const given = this.#given.get(server);
    const asked = this.#asked.get(server);
    const address = given?.address ?? (asked && label(asked));
    for (const fn of given?.options.beforeBegin ? [given.options.beforeBegin] : this.beforeBegin) {
      const report = (error: unknown) => log.error(`A beforeBegin hook threw: ${messageOf(error)}`);
      attempt(() => fn(address), report);
    }
    const bound = label(servers.get(server)?.bound ?? { port: 0 });
    // A server that only tests whether it could listen closes at once, and needs no log line.
    world.turn(() => {
      if (server.listening) log.info(`serving on ${bound}, generation ${generation()}`);
    });
  }
}
