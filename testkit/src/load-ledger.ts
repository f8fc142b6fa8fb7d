import type { LoadOptions, LoadReport, LoadResponse, Loss, LossReason } from './load-types.js';

/** The counts of a load, kept by its workers. */
export class LoadLedger implements LoadReport {
  requests = 0;
  answered = 0;
  lostCount = 0;
  lost: Loss[] = [];
  lostBy = new Map<LossReason, number>();
  opened = 0;
  idleClosed = 0;
  toldToClose = 0;
  answers = new Map<string, number>();
  latencies: number[] = [];
  readonly startedAt = performance.now();
  #endedAt: number | undefined;
  readonly #options: LoadOptions;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  get durationMs(): number {
    return (this.#endedAt ?? performance.now()) - this.startedAt;
  }

  /** Counts an answer and returns its label. */
  answer(response: LoadResponse): string {
    const { label, onResponse, recordLatency } = this.#options;
    const name = label ? label(response) : (response.headers['x-generation'] ?? 'unknown');
    this.requests++;
    this.answered++;
    this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
    if (recordLatency) this.latencies.push(response.latencyMs);
    onResponse?.(response);
    return name;
  }

  /** Counts a loss. */
  lose(loss: Omit<Loss, 'at'>): void {
    this.requests++;
    this.lostCount++;
    this.lostBy.set(loss.reason, (this.lostBy.get(loss.reason) ?? 0) + 1);
    if (this.lost.length < MAX_LOSSES_KEPT) this.lost.push({ ...loss, at: this.durationMs });
  }

  /** Stops the clock. */
  close(): void {
    this.#endedAt ??= performance.now();
  }
}

const MAX_LOSSES_KEPT = 1000;
