/** A longer timer of Node.js fires at once. */
const LONGEST_TIMER = 2_147_483_647;

/**
 * Decides in so many milliseconds; returns the undo. Node.js runs timers before it reads: if the supervisor
 * was stopped or blocked, this handles the messages and signals of that time first.
 */
export function decideAfter(ms: number, decide: () => void): () => void {
  let turn: NodeJS.Immediate | undefined;
  const timer = setTimeout(
    () => {
      turn = setImmediate(decide);
    },
    Math.min(LONGEST_TIMER, ms),
  );
  return () => {
    clearTimeout(timer);
    clearImmediate(turn);
  };
}
