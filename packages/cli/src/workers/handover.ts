import { decideAfter } from '../decide-after.js';
import type { ProcessEnd } from '../process-end.js';
import type { Release } from '../program/program.js';
import type { ToWorker } from './messages.js';
import type { Worker } from './worker.js';

/** The longest restart of one worker. */
const LONGEST = 300_000;

/** A restart of one worker that is under way: a handover, or a start where nothing is left to hand over. */
export class Handover {
  readonly release: Release;
  /** Resolves with the pid of the new process when it stays; rejects with the reason if it does not. */
  readonly over: Promise<number>;
  #resolve: (pid: number) => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(release: Release, onEnd: () => void) {
    this.release = release;
    const decided = new Promise<number>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const undo = decideAfter(LONGEST, () => this.fail(`it took longer than ${LONGEST / 1_000} s`));
    this.over = decided.finally(() => {
      undo();
      onEnd();
    });
  }

  done({ pid }: Worker): void {
    this.#resolve(pid);
  }

  fail(reason: string): void {
    this.#reject(new Error(reason));
  }
}

/** Tells a worker how the process ended that was started for it. */
export function exitOf({ pid }: Worker, { code, signal }: ProcessEnd): ToWorker {
  return { type: 'exited', pid, exitCode: code, signal };
}

/** Answers a worker that has asked for a restart of all, with the process that serves in its slot now. */
export async function answerRestart(
  worker: Worker,
  id: number,
  slot: { readonly current: Worker | undefined },
  restart: Promise<unknown>,
): Promise<void> {
  const began = performance.now();
  worker.calls += 1;
  try {
    await restart;
    const { pid, generation } = slot.current ?? worker;
    const durationMs = Math.round(performance.now() - began);
    worker.send({ type: 'restarted', id, pid, generation, durationMs });
  } catch (error) {
    worker.send({ type: 'restart-failed', id, message: (error as Error).message });
  } finally {
    worker.calls -= 1;
  }
}
