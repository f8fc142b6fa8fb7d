import type { World } from './world.js';

/** A timer that fires later than this tells that something held up the event loop, or the whole process. */
const LATE = 50;
/** How long events may take to be read where the timer fires in time. */
const TURN = 50;
/** How long they may take after a block or a stop. */
const CATCH_UP = 500;
/** An event loop that is late each time decides all the same. */
const MOST_ROUNDS = 3;

/**
 * Decides after `ms`, once the events that wait have been read; returns the undo.
 *
 * libuv runs timers before it reads: after a block or a SIGSTOP a timer alone decides about a world that has long changed.
 * `turn` is what the events get where the timer fires in time.
 */
export function decideAfter(world: World, ms: number, decide: () => void, turn = TURN): () => void {
  let cancel = () => {};
  const wait = (time: number, round: number) => {
    const due = world.now() + time;
    cancel = world.after(time, () => {
      const late = world.now() - due > LATE;
      if (late ? round === MOST_ROUNDS : round > 0 || turn === 0) decide();
      else wait(late ? CATCH_UP : turn, round + 1);
    });
  };
  wait(ms, 0);
  return () => cancel();
}
