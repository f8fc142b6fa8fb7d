import type { ToSuccessor } from '../handoff/protocol.js';
import type { Successor } from '../handoff/successor.js';
import type { World } from '../world.js';
import type { Older } from './older.js';

/** How long this process waits after the successor could not take a channel, before it tries again. */
const AGAIN_AFTER = 1_000;

/** What handing on the channel to an older process needs. */
export interface HandOnContext {
  world: World;
  older: Older;
  /** The successor that can take it now, while this process holds nothing itself. */
  adopter(): Successor | undefined;
  /** The successor, the process with this pid, has the channel. */
  onDone(pid: number): void;
}

/**
 * Gives the channel to an older process to the successor, so that this process can exit.
 *
 * The older process is asked to pause. After its `paused` nothing is on its way in either direction, so no
 * byte, handle or acknowledgement can be lost. Only the process that reads the channel next resumes it.
 */
export class HandOn {
  readonly #context: HandOnContext;
  #state: 'idle' | 'asking' | 'sent' = 'idle';
  /** The pid of the process to which the channel was sent. */
  #to = 0;
  #notBefore = 0;

  constructor(context: HandOnContext) {
    this.#context = context;
  }

  /** Whether the channel is on its way to the successor. */
  get sent(): boolean {
    return this.#state === 'sent';
  }

  /** Begins to hand the channel on, if that is possible now. */
  look(): void {
    const { world, older, adopter } = this.#context;
    if (this.#state !== 'idle' || !older.channel.open) return;
    if (world.now() < this.#notBefore || older.reception.answering || !adopter()) return;
    this.#state = 'asking';
    older.send({ type: 'pause' });
  }

  /** The older process has replied to `pause`. */
  answered(answer: Extract<ToSuccessor, { type: 'paused' | 'busy' }>['type']): void {
    if (this.#state !== 'asking') return;
    this.#state = 'idle';
    if (answer === 'paused') this.#send();
  }

  /** The successor has the channel, or could not take it. */
  adopted(done: boolean): void {
    const { world, older, onDone } = this.#context;
    if (this.#state !== 'sent') return;
    if (done) {
      onDone(this.#to);
      older.channel.close();
      return;
    }
    this.#state = 'idle';
    this.#notBefore = world.now() + AGAIN_AFTER;
    older.resume(world.pid);
  }

  #send(): void {
    const { world, older, adopter } = this.#context;
    const successor = adopter();
    // A connection may have arrived meanwhile.
    if (!successor || !older.channel.still || older.reception.answering) {
      older.resume(world.pid);
      return;
    }
    this.#state = 'sent';
    this.#to = successor.reader;
    const { generation, expects, reception } = older;
    const routes = reception.routesTo(successor);
    successor.send({ type: 'older', generation, last: !expects, routes }, older.suspend());
    // The successor may have read from the channel, and no other process knows what.
    void successor.gone.then(() => {
      if (this.sent) older.channel.close();
    });
  }
}
