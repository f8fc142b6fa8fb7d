import { decideAfter } from '../decide.js';
import type { Successor } from '../handoff/successor.js';
import type { World } from '../world.js';

/** Time that a successor has after its hammer to be gone. */
const LEAVE_TIME = 5_000;

/** The successors whose handover was rolled back and that may still drain. */
export class Retiring {
  readonly #world: World;
  readonly #successors = new Set<Successor>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Asks a successor to stop within so many milliseconds (-1: no limit); one that does not exit is killed. */
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
