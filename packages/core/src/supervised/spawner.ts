import { handoffText } from '../handoff/handoff-text.js';
import type { Spawned, Spawner, SpawnRequest } from '../handoff/spawn.js';
import type { SettingsStore } from '../settings-store.js';
import type { World } from '../world.js';
import type { RunSupervisor } from './run-supervisor.js';

/**
 * Lets `endless run` start a successor. A child of this process would become an orphan when this process
 * exits, and its exit code would be lost.
 */
export class SupervisedSpawner implements Spawner {
  readonly #world: World;
  readonly #supervisor: RunSupervisor;
  readonly #settings: SettingsStore;

  constructor(world: World, supervisor: RunSupervisor, settings: SettingsStore) {
    this.#world = world;
    this.#supervisor = supervisor;
    this.#settings = settings;
  }

  /** The supervisor knows the command; the program's settings can override parts of it. */
  start({ generation, sockets }: SpawnRequest): Promise<Spawned> {
    // The supervisor speaks to the service manager, and no descriptor of this process reaches the new one.
    const { text } = handoffText(this.#world, { generation, sockets, surroundings: {} }, 0);
    const { env, ...restart } = this.#settings.current.restart;
    const nulls = env && Object.entries(env).map(([name, value]) => [name, value ?? null] as const);
    return this.#supervisor.spawn(text, { ...restart, ...(nulls && { env: Object.fromEntries(nulls) }) });
  }
}
