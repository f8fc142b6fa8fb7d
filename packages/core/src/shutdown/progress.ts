import type { Servers } from '../connections/servers.js';
import type { WaitGroup } from '../wait-group.js';
import type { World } from '../world.js';

/** What a drain waits for. */
export interface Left {
  requests: number;
  connections: number;
  holds: number;
  /** Whether connections may still come from an older process. */
  comesMore: boolean;
  /** Milliseconds until the deadline; -1 without a deadline. */
  hammerIn: number;
}

/** What is left now, `hammerIn` milliseconds before the deadline. */
export function leftOf({ servers, waits }: { servers: Servers; waits: WaitGroup }, hammerIn: number): Left {
  return {
    requests: servers.activeRequests,
    connections: waits.left('connections'),
    holds: waits.left('holds'),
    comesMore: waits.comesMore,
    hammerIn,
  };
}

/** A drain that is over within this time shows no line. */
const SHOW_AFTER = 1_000;
const SHOW_EVERY = 250;
/** Moves to the first column, and erases everything from there on. */
const ERASE = '\r\x1b[K';

/** The last line of a terminal, which shows what is left as long as a drain takes. */
export class ProgressLine {
  readonly #world: World;
  #shown = false;
  #stop = () => {};

  constructor(world: World) {
    this.#world = world;
  }

  /** Shows repeatedly what is left, if there is a terminal that shows it. */
  begin(left: () => Left): void {
    const columns = this.#world.columns();
    if (columns === undefined) return;
    const show = () => {
      const text = `endless ${this.#world.pid} ${textOf(left())}`;
      // A line that wraps could not be erased.
      this.#world.writeError(`${ERASE}${text.slice(0, (this.#world.columns() ?? columns) - 1)}`);
      this.#shown = true;
    };
    this.#stop = this.#world.after(SHOW_AFTER, () => {
      show();
      this.#stop = this.#world.every(SHOW_EVERY, show);
    });
  }

  /** Nothing is left: erases the line. */
  end(): void {
    this.#stop();
    const erase = this.erase();
    if (erase !== '') this.#world.writeError(erase);
  }

  /** The text to write before another line, so that it does not stand behind this one. */
  erase(): string {
    if (!this.#shown) return '';
    this.#shown = false;
    return ERASE;
  }
}

function textOf({ requests, connections, holds, comesMore, hammerIn }: Left): string {
  const parts = [count(requests, 'request'), count(connections, 'connection')];
  if (holds > 0) parts.push(count(holds, 'hold'));
  if (comesMore) parts.push('an older process');
  const deadline = hammerIn < 0 ? 'no deadline' : `force-close in ${Math.ceil(hammerIn / 1_000)} s`;
  return `waits for ${parts.join(', ')}; ${deadline}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
