import type { Older, OlderContext } from '../chain/older.js';
import { Olders } from '../chain/olders.js';
import { Servers } from '../connections/servers.js';
import { Events } from '../events.js';
import { Predecessor } from '../handoff/predecessor.js';
import type { Handoff } from '../handoff/protocol.js';
import { ChildSpawner } from '../handoff/spawn.js';
import { Hooks } from '../hooks.js';
import { Log, textLogger } from '../log.js';
import { Protocols } from '../migrate/protocols.js';
import type { AttemptContext } from '../restart/attempt.js';
import type { RestartContext } from '../restart/context.js';
import { Restarts } from '../restart/restarts.js';
import { SettingsStore } from '../settings-store.js';
import { Apps } from '../shutdown/closing.js';
import { ProgressLine } from '../shutdown/progress.js';
import { RunSupervisor } from '../supervised/run-supervisor.js';
import { SupervisedSpawner } from '../supervised/spawner.js';
import { PidFile } from '../supervisor/pid-file.js';
import type { Surroundings } from '../supervisor/surroundings.js';
import type { ServiceManager } from '../supervisor/systemd.js';
import { WaitGroup } from '../wait-group.js';
import type { World } from '../world.js';
import { CurrentPhase } from './phase.js';

/** What a restart changes of the process that is replaced. */
export type RestartEffects = Omit<RestartContext, keyof AttemptContext | 'hooks' | 'olders'>;

/** The process that started this one as its successor. */
export interface Parent {
  readonly predecessor: Predecessor;
  /** Its side of the chain, once it hands connections over. */
  readonly older: Older;
  /** Whether it has rolled back, so that this process no longer reports to it. */
  rolledBack: boolean;
}

/** What every part of the lifecycle may use: one object of each kind, for the whole life of the process. */
export class Shared {
  readonly world: World;
  readonly version: string;
  readonly phase: CurrentPhase;
  readonly settings = new SettingsStore();
  readonly waits = new WaitGroup();
  readonly abort = new AbortController();
  readonly apps = new Apps();
  readonly servers = new Servers(this.waits, () => this.restarts.needsSockets);
  readonly progress: ProgressLine;
  readonly log: Log;
  readonly hooks: Hooks;
  readonly events: Events;
  readonly protocols: Protocols;
  readonly pidFile: PidFile;
  readonly olders: Olders;
  readonly restarts: Restarts;
  /** The `endless run` that has started this process, if one has. */
  readonly supervisor: RunSupervisor | undefined;
  /** What the predecessor has announced, before this process takes any of it. */
  readonly promised: Handoff | undefined;
  generation: number;
  /** How many connections came from the old process, or moved to the new one. */
  migrated = 0;
  /** What has started this process; known from the first use of endless. */
  surroundings: Surroundings | undefined;
  serviceManager: ServiceManager | undefined;
  parent: Parent | undefined;
  /** Whether this process has drained and no longer waits for anything. */
  left = false;

  constructor(world: World, version: string, effects: RestartEffects) {
    this.world = world;
    this.version = version;
    this.phase = new CurrentPhase(world.debug);
    // First: it runs the preload, which takes the handoff too.
    this.supervisor = RunSupervisor.find(world, version);
    if (this.supervisor) {
      this.settings.pin(this.supervisor.settings);
      this.supervisor.sockets.isServed = (bound) => this.servers.listensAt(bound);
      this.supervisor.sockets.mayOpen = () => !this.phase.candidate;
    }
    this.promised = Predecessor.peek(world);
    this.generation = this.promised?.generation ?? this.supervisor?.generation ?? 0;
    world.debug.generation = this.generation;
    this.progress = new ProgressLine(world);
    const text = textLogger(world, () => this.progress.erase());
    this.log = new Log(this.supervisor?.quiet ? { ...text, info() {} } : text);
    this.hooks = new Hooks(this.log);
    this.events = new Events(this.log);
    this.protocols = new Protocols(this.log, () => this.olders.tellProtocols());
    this.pidFile = new PidFile(world);
    this.olders = new Olders({
      ...this.#olderContext(),
      world,
      adopter: () => (this.phase.end?.shutdown.onlyWaits ? this.restarts.adopter : undefined),
      adopts: () => !this.left,
      busy: () => this.busy,
      onHandedOn: (older, pid) =>
        this.log.info(`Handed generation ${older}, which drains, on to pid ${pid}.`),
    });
    const { settings, servers, log, hooks, events, olders, supervisor } = this;
    const spawner = supervisor ? new SupervisedSpawner(world, supervisor, settings) : new ChildSpawner(world);
    this.restarts = new Restarts({
      ...{ world, settings, servers, log, hooks, events, olders, spawner },
      ...effects,
    });
  }

  #olderContext(): OlderContext {
    const { world, protocols, waits, log } = this;
    return {
      ...{ world, protocols, waits, log },
      // After a force-close, connections live longer in the old process.
      servers: () => (this.phase.end?.shutdown.hammered ? [] : this.servers.all()),
      onMoved: (address) => this.moved(address),
    };
  }

  /** Whether this process drains and requests are in flight. */
  get busy(): boolean {
    return this.phase.end !== undefined && this.servers.activeRequests > 0;
  }

  /** Counts a live connection that came from the old process, or moved to the new one. */
  moved(address: string): void {
    this.migrated += 1;
    this.events.emit('migrated', { address });
  }

  /** Writes the pid of this process to the pid file. */
  writePidFile(): void {
    this.pidFile.write(this.settings.current.pidFile, this.log);
  }
}
