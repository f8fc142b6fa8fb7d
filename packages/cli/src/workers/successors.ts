import type { ProcessEnd } from '../process-end.js';
import { exitOf } from './handover.js';
import type { FromWorker } from './messages.js';
import { Worker, type WorkerEvents, type WorkerStart } from './worker.js';

/** The processes that were started as the successors of others, each with its predecessor. */
export class Successors {
  readonly #predecessors = new Map<Worker, Worker>();

  /** Starts what a process has asked for, and gives that process its end of the line. Undefined if that fails. */
  async start(
    predecessor: Worker,
    { id, handoff }: FromWorker & { type: 'spawn' },
    start: Omit<WorkerStart, 'handoff'>,
    events: WorkerEvents,
  ): Promise<Worker | undefined> {
    try {
      const successor = await Worker.start({ ...start, handoff }, events);
      this.#predecessors.set(successor, predecessor);
      predecessor.send({ type: 'spawned', id, pid: successor.pid }, successor.line);
      return successor;
    } catch (error) {
      predecessor.send({ type: 'not-spawned', id, message: (error as Error).message });
      return undefined;
    }
  }

  /** Sends this signal to the successor of a process. */
  kill(predecessor: Worker, { pid, signal }: FromWorker & { type: 'kill' }): void {
    for (const [successor, parent] of this.#predecessors)
      if (parent === predecessor && successor.pid === pid) successor.kill(signal);
  }

  /** A process has exited: tells its predecessor. */
  exited(worker: Worker, end: ProcessEnd): void {
    this.#predecessors.get(worker)?.send(exitOf(worker, end));
    this.#predecessors.delete(worker);
  }
}
