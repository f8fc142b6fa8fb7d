import type { Olders } from '../chain/olders.js';
import type { Handlers } from '../handoff/inbox.js';
import type { ToPredecessor } from '../handoff/protocol.js';
import type { Successor } from '../handoff/successor.js';
import type { Departure } from '../migrate/departure.js';
import type { Shutdown } from '../shutdown/shutdown.js';
import type { Standby } from './standby.js';

/** A successor that accepts, and the parts of this process that its messages are for. */
export interface Accepted {
  successor: Successor;
  departure: Departure;
  olders: Olders;
  /** Newer generations drain too: only `left` generations, this one included, may go on. */
  prune(left: number): void;
}

type Table = Handlers<ToPredecessor>;

/** The messages of a successor within the rollback window. */
export function inWindow(accepted: Accepted, standby: Standby, restart: { again: boolean }): Table {
  const { successor, departure } = accepted;
  return {
    ...ofConnections(departure),
    ...ofChain(accepted),
    unready: ({ message }) => standby.unhealthy(message),
    'check-failed': ({ message }) => standby.ailing(message),
    'check-passed': () => standby.well(),
    'restart-asked': () => {
      restart.again = true;
    },
    stop: (stop) => {
      departure.follow(stop.idleGrace);
      standby.commit();
      // The shutdown that follows the commit stops with the successor.
      successor.inbox.putBack(stop);
    },
    pause: () => successor.send({ type: 'busy' }),
  };
}

/** The messages of a successor that stays, while this process drains. */
export function afterCommit(accepted: Accepted, shutdown: Shutdown): Table {
  const { successor, departure, olders } = accepted;
  return {
    ...ofConnections(departure),
    ...ofChain(accepted),
    stop: ({ deadline, idleGrace }) => {
      departure.follow(idleGrace);
      shutdown.stopToo(deadline);
    },
    pause: () => {
      if (!departure.busy && !olders.handingOn) successor.pause();
      else successor.send({ type: 'busy' });
    },
  };
}

/** The messages of a rolled-back successor: this process handles only those about connections. */
export function afterRollback({ departure }: Accepted): Table {
  return ofConnections(departure);
}

function ofConnections(departure: Departure): Table {
  return {
    moved: ({ ids, lost }) => departure.acknowledge(ids, lost),
    answer: ({ accepted, refused }) => departure.answered(accepted, refused),
    told: ({ done, ended }) => departure.offers?.told(done, ended),
  };
}

function ofChain({ successor, olders, prune }: Accepted): Table {
  return {
    newest: ({ pid }) => olders.tellNewest(pid),
    prune: ({ left }) => prune(left),
    resume: ({ pid }) => successor.resume(pid),
    adopted: ({ generation, done }) => olders.adopted(generation, done),
  };
}
