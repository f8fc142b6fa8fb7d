import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from './client.js';
import type { Ledger } from './ledger.js';
import { PATIENCE } from './losses.js';
import type { Target } from './target.js';

/** How many clients there are, and how long they go on. */
export interface LoadOptions {
  /** Clients that keep their connection. */
  kept: number;
  /** Clients that open a connection for each request. */
  fresh: number;
  /** Milliseconds between a response and the next request: at least, and at most. */
  think?: readonly [number, number];
  /** After how many requests the load ends by itself. */
  requests?: number;
}

/** Gentle: 50 clients send about 500 requests a second. */
const THINK = [50, 150] as const;
/** The clients begin within this time, and not all at once. */
const RAMP = 300;
/** How often a client looks whether the time of its request is over. */
const SWEEP = 50;

/** The clients of a drill. */
export class Load {
  /** Resolves when the last client is done. */
  readonly ended: Promise<void>;
  readonly #clients: readonly Client[];
  readonly #sweeper: NodeJS.Timeout;

  constructor(target: Target, ledger: Ledger, options: LoadOptions) {
    const { kept, fresh, think = THINK, requests = Number.POSITIVE_INFINITY } = options;
    const [least, most] = think;
    let taken = 0;
    let living = kept + fresh;
    let end = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    const context = {
      ...{ target, ledger },
      take: () => (taken < requests ? target.requests[taken++ % target.requests.length] : undefined),
      pause: () => least + Math.random() * (most - least),
      retired: () => {
        living -= 1;
        if (living > 0) return;
        clearInterval(this.#sweeper);
        end();
      },
    };
    // After the poll phase, so that a response which has arrived is read before its time is over.
    this.#sweeper = setInterval(() => setImmediate(() => this.#sweep()), SWEEP);
    this.#clients = Array.from({ length: kept + fresh }, (_, at) => new Client(context, at >= kept));
    for (const [at, client] of this.#clients.entries()) client.start((RAMP * at) / this.#clients.length);
  }

  /** Ends each client after its request in flight. */
  stop(): Promise<void> {
    for (const client of this.#clients) client.stop();
    return this.ended;
  }

  /**
   * Opens no further connection, so that the server may stop: each client ends with its connection. Resolves
   * once none is about to connect.
   */
  async leave(): Promise<void> {
    for (const client of this.#clients) client.leave();
    const until = performance.now() + 2 * PATIENCE;
    while (performance.now() < until && !this.#clients.every(({ settled }) => settled)) await sleep(10);
  }

  #sweep(): void {
    const now = performance.now();
    for (const client of this.#clients) client.sweep(now);
  }
}
