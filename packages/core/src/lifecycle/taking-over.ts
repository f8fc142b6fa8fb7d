import type { ToSuccessor } from '../handoff/protocol.js';
import type { RawHandle } from '../node-private/handle.js';
import type { Exit } from '../shutdown/exit.js';
import type { Candidate } from '../takeover/candidate.js';
import { Probation } from '../takeover/probation.js';
import { predecessorTooSlow } from './refusals.js';
import type { Parent, Shared } from './shared.js';
import type { Stopping } from './stopping.js';

/** The parts of the lifecycle that a takeover needs. */
export interface TakingOverParts {
  stopping: Stopping;
  exit: Exit;
  /** The predecessor passes a request to restart on. */
  restartAgain(): void;
}

/** The effect of each message of the predecessor after `go`. Other messages are about its connections. */
type Handlers = {
  [Type in ToSuccessor['type']]?: (message: Extract<ToSuccessor, { type: Type }>) => void;
};

/** A process from `go` on: it serves, and its predecessor commits or rolls back. */
export class TakingOver {
  readonly #shared: Shared;
  readonly #parts: TakingOverParts;
  readonly #handlers: Handlers = {
    committed: () => this.endProbation(),
    'restart-again': () => this.#parts.restartAgain(),
    retire: ({ deadline }) => this.#retire(deadline),
  };

  constructor(shared: Shared, parts: TakingOverParts) {
    this.#shared = shared;
    this.#parts = parts;
  }

  /** The servers of a candidate accept. Returns the watch over the `window` milliseconds in which the predecessor can roll back. */
  begin({ predecessor, paths }: Candidate, window: number): Probation {
    const { world, log, settings, servers, olders } = this.#shared;
    const parent = this.#shared.parent as Parent;
    olders.expect(parent.older);
    predecessor.channel.listen((message, handle) => this.#hear(parent, message, handle));
    const probation = new Probation({ world, log, settings, servers, predecessor, paths, window });
    void probation.abandoned().then(() => this.endProbation());
    return probation;
  }

  /** The predecessor cannot roll back any more. */
  endProbation(): void {
    const { phase, serviceManager, settings } = this.#shared;
    if (!phase.probation?.commit()) return;
    serviceManager?.becomeMain();
    this.#parts.stopping.prune(settings.current.maxDraining);
  }

  /** A chain has at most one open window: a restart waits until the predecessor has committed its own. */
  async committed(): Promise<void> {
    const { phase, log, settings } = this.#shared;
    const { probation } = phase;
    if (!probation?.open) return;
    log.info('Restart delayed until the rollback window of this process ends.');
    const { startTimeout } = settings.current;
    if (await probation.overWithin(startTimeout)) return;
    throw predecessorTooSlow(startTimeout);
  }

  /** Names the servers that keep their connections. The old process gets that before `ready`, and offers none of them. */
  tellKept(): void {
    const { servers, parent } = this.#shared;
    const addresses = servers.keeping;
    if (addresses.length > 0) parent?.predecessor.send({ type: 'keeps', addresses });
  }

  #hear(parent: Parent, message: ToSuccessor, handle: RawHandle | undefined): void {
    const handler = this.#handlers[message.type] as ((message: ToSuccessor) => void) | undefined;
    if (handler) handler(message);
    else this.#shared.olders.hear(parent.older, message, handle);
  }

  /** The predecessor has rolled back: this process drains the connections that it has, and exits. */
  #retire(deadline: number): void {
    const { log, olders, phase, parent } = this.#shared;
    const { stopping, exit } = this.#parts;
    if (parent && !parent.rolledBack) {
      const { pid } = parent.predecessor.handoff;
      log.error(`The old process, pid ${pid}, has rolled back: this process shuts down.`);
      parent.rolledBack = true;
      olders.release();
      parent.older.reception.release();
      phase.probation?.rollBack();
      void stopping.afterRollback();
    }
    parent?.older.expectNoMore();
    exit.dismiss();
    phase.end?.shutdown.limit(deadline);
  }
}
