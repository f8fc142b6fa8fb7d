import { decideAfter } from '../decide.js';
import type { Successor } from '../handoff/successor.js';
import type { World } from '../world.js';

/** How long a successor may take to exit after its deadline. */
const LEAVE_TIME = 5_000;

/** The rolled-back successors that may still drain. */
export class Retiring {
  readonly #world: World;
  readonly #successors = new Set<Successor>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Asks a successor to stop within `deadline` milliseconds (-1: no limit); kills it if it does not exit. */
  add(successor: Successor, deadline: number): void {
    this.#successors.add(successor);
    successor.retire(deadline);
    const giveUp =
      deadline < 0 ? () => {} : decideAfter(this.#world, deadline + LEAVE_TIME, () => successor.kill());
    void successor.ended.then(() => {
      giveUp();
      this.#successors.delete(successor);
    });
  }

  /** Each of them has this many milliseconds left (-1: no limit). */
  limit(deadline: number): void {
    for (const successor of this.#successors) successor.retire(deadline);
  }
}
