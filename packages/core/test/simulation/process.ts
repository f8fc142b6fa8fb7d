import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { createServer, type Server } from 'node:net';
import { Debug } from '../../src/debug.js';
import { createEndless, type Endless } from '../../src/endless.js';
import { EVENT_NAMES } from '../../src/events.js';
import { HANDOFF_VARIABLE } from '../../src/handoff/protocol.js';
import { Lifecycle } from '../../src/lifecycle/lifecycle.js';
import { watchListening } from '../../src/listen/watch.js';
import type { RawHandle } from '../../src/node-private/handle.js';
import { listeningHandle, setListeningHandle } from '../../src/node-private/listening.js';
import type { World } from '../../src/world.js';
import { type Holder, ListeningHandle, ListeningSocket, type PipeHandle, type SimHandle } from './kernel.js';
import type { Simulation } from './simulation.js';

const ARRIVAL = Symbol.for('endless.arrival');

/** The exit status of a process, or the signal that ended it, as its parent sees it. */
export interface Ended {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
}

/** A simulated process, with its own lifecycle in its own world. */
export class SimProcess implements Holder {
  readonly pid: number;
  readonly name: string;
  readonly handles = new Set<SimHandle>();
  readonly signals = new EventEmitter();
  readonly servers: Server[] = [];
  lifecycle!: Lifecycle;
  endless!: Endless;
  ended: Ended | undefined;
  readonly #simulation: Simulation;
  readonly #timers = new Set<() => void>();
  readonly #unwatch = new Set<() => void>();
  readonly #onExit = new Set<() => void>();
  /** How many things keep it alive besides its listening sockets: children, requests, its own work. */
  keeps = 0;
  #ignoresHangup = false;
  #status = 0;

  constructor(simulation: Simulation, pid: number, name: string) {
    this.#simulation = simulation;
    this.pid = pid;
    this.name = name;
  }

  /** Runs its first line: with a handoff it is a successor. */
  boot(program: (process: SimProcess) => void, env: NodeJS.ProcessEnv = {}, pipe?: PipeHandle): void {
    const globals: Record<symbol, unknown> = {};
    if (pipe) {
      this.#ignoresHangup = true;
      const handlersAreIn = () => {
        this.#ignoresHangup = false;
      };
      globals[ARRIVAL] = { text: env[HANDOFF_VARIABLE], ipc: pipe, handlersAreIn, accepting() {} };
    }
    this.lifecycle = new Lifecycle(this.#world(globals), 'simulated');
    this.endless = createEndless(this.lifecycle);
    for (const event of EVENT_NAMES)
      this.endless.on(event, (details) => this.alive && this.#simulation.onEvent(this, event, details));
    program(this);
  }

  /** Whether its first line has run. */
  get booted(): boolean {
    return this.lifecycle !== undefined;
  }

  get alive(): boolean {
    return this.ended === undefined;
  }

  /** The ports on which it accepts. */
  get accepts(): number[] {
    const handles = [...this.handles].filter((handle) => handle instanceof ListeningHandle && handle.accepts);
    return [...new Set(handles.map((handle) => (handle as ListeningHandle).socket.port))].sort();
  }

  /** How many timers have not fired. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Listens as the application would. */
  listen(port: number): Server {
    const server = createServer(() => {});
    this.servers.push(server);
    server.on('error', () => this.exit(1));
    // After the lifecycle, which may have a handle for it.
    const unwatch = watchListening({
      beforeListen: (which) => {
        if (which !== server || listeningHandle(server)) return;
        if (this.#simulation.bound(port)) this.exit(1);
        setListeningHandle(server, new ListeningHandle(this, new ListeningSocket(port)) as RawHandle);
      },
      listening() {},
      failed() {},
    });
    server.listen({ port });
    unwatch();
    return server;
  }

  /** A request arrives on its own connection; returns the function that answers it. */
  request(server: Server): () => void {
    const socket = Object.assign(new EventEmitter(), {
      destroyed: false,
      bytesRead: 1,
      destroy: () => {
        if (socket.destroyed) return;
        socket.destroyed = true;
        this.keeps -= 1;
        socket.emit('close');
        stream.emit('close');
      },
    });
    const stream = new EventEmitter();
    this.keeps += 1;
    server.emit('connection', socket);
    server.emit('stream', stream, { ':method': 'GET', ':path': '/' });
    return () => socket.destroy();
  }

  /** A signal arrives. */
  signal(signal: NodeJS.Signals): void {
    if (!this.alive) return;
    if (signal === 'SIGKILL') this.die({ exitCode: null, signal });
    else if (this.signals.listenerCount(signal) > 0) this.signals.emit(signal, signal, 0);
    else if (!(signal === 'SIGHUP' && this.#ignoresHangup)) this.die({ exitCode: null, signal });
  }

  exit(status: number): void {
    this.die({ exitCode: status, signal: null });
  }

  /** It ends: the kernel closes what it held. */
  die(ended: Ended): void {
    if (!this.alive) return;
    for (const fn of this.#onExit) fn();
    this.ended = ended;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    for (const undo of this.#unwatch) undo();
    for (const handle of [...this.handles]) handle.close();
    this.#simulation.onExit(this, ended);
  }

  /** Exits by itself if nothing keeps it; returns whether it did. */
  exitIfIdle(): boolean {
    if (!this.alive || this.#isKept) return false;
    this.signals.emit('beforeExit');
    if (this.#isKept) return false;
    this.exit(this.#status);
    return true;
  }

  get #isKept(): boolean {
    return this.keeps > 0 || this.accepts.length > 0;
  }

  #after(ms: number, fn: () => void): () => void {
    if (!this.alive) return () => {};
    const cancel = this.#simulation.clock.in(Math.max(1, Math.ceil(ms)), () => {
      this.#timers.delete(undo);
      if (this.alive) fn();
    });
    const undo = () => {
      this.#timers.delete(undo);
      cancel();
    };
    this.#timers.add(undo);
    return undo;
  }

  /** Keeps the process alive until the returned undo is called. */
  keep(): () => void {
    this.keeps += 1;
    let kept = true;
    return () => {
      if (kept) this.keeps -= 1;
      kept = false;
    };
  }

  #world(globals: object): World {
    const simulation = this.#simulation;
    const { clock } = simulation;
    return {
      pid: this.pid,
      platform: 'linux',
      env: {},
      ppid: () => {
        const parent = simulation.children.get(this)?.parent;
        return parent?.alive ? parent.pid : 0;
      },
      now: () => clock.now,
      date: () => new Date(clock.now),
      random: () => simulation.random.next(),
      after: (ms, fn) => this.#after(ms, fn),
      every: (ms, fn) => {
        let cancel = () => {};
        const again = () => {
          cancel = this.#after(ms, () => {
            again();
            fn();
          });
        };
        again();
        return () => cancel();
      },
      turn: (fn) => {
        if (!this.alive) return;
        const release = this.keep();
        clock.in(0, () => {
          release();
          if (this.alive) fn();
        });
      },
      stayAlive: () => this.keep(),
      spawn: (_command, _args, { env = {} }) => simulation.spawn(this, env) as unknown as ChildProcess,
      exit: (status) => this.exit(status),
      setExitCode: (status) => {
        this.#status = status;
      },
      exitCode: () => this.#status,
      signals: this.signals,
      onSignal: (signal, fn) => {
        this.signals.prependListener(signal, fn);
        return () => this.signals.off(signal, fn);
      },
      raise: (signal) => void clock.in(0, () => this.signal(signal)),
      onRaise: () => () => {},
      resources: () => [],
      rss: () => 0,
      loopTime: () => ({ idle: 0, active: 0 }),
      inspector: () => undefined,
      onExit: (fn) => {
        this.#onExit.add(fn);
        return () => this.#onExit.delete(fn);
      },
      writeError: (text) => simulation.onLog(this, text),
      hasTerminal: () => false,
      debug: new Debug(Object.assign(() => {}, { enabled: false })),
      columns: () => undefined,
      watchListening: (watcher) => {
        const undo = watchListening({
          beforeListen: (server, options) =>
            this.servers.includes(server) && watcher.beforeListen(server, options),
          listening: (server) => this.servers.includes(server) && watcher.listening(server),
          failed: (server, error) => this.servers.includes(server) && watcher.failed(server, error),
        });
        this.#unwatch.add(undo);
        return undo;
      },
      bindLike: async (bound) => {
        const port = 'port' in bound ? bound.port : 0;
        if (simulation.bound(port)) throw new Error('EADDRINUSE');
        return new ListeningHandle(this, new ListeningSocket(port)) as RawHandle;
      },
      globals,
      ipc: {
        of: (child) => (child as unknown as { channel: PipeHandle }).channel.ipcEnd,
        from: (taken) => (taken as unknown as PipeHandle).ipcEnd,
        around: (received) => (received as unknown as PipeHandle).ipcEnd,
        opened: (taken) => (taken as unknown as PipeHandle).ipcEnd,
        reopened: (received) => (received as unknown as PipeHandle).ipcEnd,
      },
      parent: { connected: () => false, send() {}, onMessage: () => () => {} },
    };
  }
}
