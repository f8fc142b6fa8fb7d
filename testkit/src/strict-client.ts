import { LoadLedger } from './load-ledger.js';
import type { Load, LoadOptions, LoadReport, LoadRequest } from './load-types.js';
import { LoadWorker } from './load-worker.js';

/** Starts strict clients: raw sockets, no retry, and every request without a whole answer is a loss. */
export function startLoad(options: LoadOptions): Load {
  if (options.port === undefined && options.path === undefined) {
    throw new TypeError('`startLoad` needs a `port` or a `path`.');
  }
  if (!(options.connections >= 1)) {
    throw new RangeError(`\`connections\` must be at least 1, got ${options.connections}.`);
  }
  return new RunningLoad(options);
}

class RunningLoad extends LoadLedger implements Load {
  readonly ended: Promise<LoadReport>;
  readonly #workers: readonly LoadWorker[];

  constructor(options: LoadOptions) {
    super(options);
    let end: (report: LoadReport) => void = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });

    let taken = 0;
    const take = () => {
      if (options.maxRequests !== undefined && taken >= options.maxRequests) return undefined;
      const n = taken++;
      return { n, request: options.request?.(n) ?? FRONT_PAGE };
    };
    let working = options.connections;
    const retired = () => {
      if (--working > 0) return;
      clearInterval(sweeper);
      this.close();
      end(this);
    };
    this.#workers = Array.from(
      { length: options.connections },
      () => new LoadWorker({ options, ledger: this, take, retired }),
    );
    // One clock for all requests. It looks after the poll phase, so that an answer which has arrived is read first.
    const sweeper = setInterval(
      () => setImmediate(() => this.#sweep()),
      Math.min(100, (options.timeout ?? 5000) / 4),
    );
    for (const worker of this.#workers) worker.next();
  }

  stop(): Promise<LoadReport> {
    for (const worker of this.#workers) worker.stop();
    return this.ended;
  }

  #sweep(): void {
    const now = performance.now();
    for (const worker of this.#workers) worker.sweep(now);
  }
}

const FRONT_PAGE: LoadRequest = { target: '/' };
