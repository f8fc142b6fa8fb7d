import type { World } from './world.js';

/** If a timer fires later than this, the event loop was blocked or the whole process was stopped. */
const LATE = 50;
/** Time to read the waiting events if the timer fires in time. */
const TURN = 50;
/** Time to read them after a block or a stop. */
const CATCH_UP = 500;
/** The most further waits: even if the timer is late each time, the decision is made then. */
const MOST_ROUNDS = 3;

/**
 * Decides after `ms`, when the waiting events have been read; returns the undo.
 *
 * libuv runs timers before it reads. After a block or a SIGSTOP, a timer alone would decide on outdated
 * facts. `turn` is the time for the events if the timer fires in time.
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
