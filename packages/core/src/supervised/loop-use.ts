import type { World } from '../world.js';

/** How busy the event loop of this process was in the last seconds. */
export class LoopUse {
  readonly #world: World;
  #before = { idle: 0, active: 0 };
  #last = { idle: 0, active: 0 };

  constructor(world: World) {
    this.#world = world;
  }

  /** A ping has come: a later answer looks back to the ping before it. */
  sample(): void {
    this.#before = this.#last;
    this.#last = this.#world.loopTime();
  }

  /** The busy part of the time since the last ping but one, or since the start; from 0 to 1. */
  get busy(): number {
    const { idle, active } = this.#world.loopTime();
    const busy = active - this.#before.active;
    const passed = busy + idle - this.#before.idle;
    return passed > 0 ? Math.round((1_000 * busy) / passed) / 1_000 : 0;
  }
}
