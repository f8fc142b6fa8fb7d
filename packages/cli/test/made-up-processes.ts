import { vi } from 'vitest';
import type { ProcessEnd } from '../src/process-end.js';
import type { FromWorker } from '../src/workers/messages.js';
import { Worker, type WorkerEvents, type WorkerState } from '../src/workers/worker.js';

/** In place of each process that is started, one whose messages and exit the test decides. */
export function madeUpProcesses() {
  const started: Worker[] = [];
  /** The signals that they got. */
  const signals: string[] = [];
  let events = {} as WorkerEvents;
  vi.spyOn(Worker, 'start').mockImplementation(async (start, given) => {
    events = given;
    const pid = started.length + 1;
    const worker = Object.assign(Object.create(Worker.prototype) as Worker, {
      ...{ pid, index: start.index, generation: start.generation, release: start.release },
      ...{ state: 'starting' as WorkerState, hammerTime: 60_000, stopsAlone: false, signalled: false },
      ...{ calls: 0, pulse: { doomed: false } },
      kill: (signal: NodeJS.Signals) => void signals.push(`${signal} to ${pid}`),
      send: () => {},
      later: (ms: number, act: () => void) => void setTimeout(act, ms),
    });
    started.push(worker);
    return worker;
  });
  const says = (worker: Worker | undefined, message: FromWorker, handle?: object) =>
    events.message(worker as Worker, message, handle);
  const exits = (worker: Worker | undefined, end: ProcessEnd) => {
    (worker as Worker).state = 'gone';
    events.exit(worker as Worker, end);
  };
  return { started, signals, says, exits };
}
