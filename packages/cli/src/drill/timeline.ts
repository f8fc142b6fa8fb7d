/** What the clients saw in one slice of time. */
export interface Slice {
  /** Milliseconds from the start of the drill to the start of the slice. */
  at: number;
  requests: number;
  lost: number;
  /** Milliseconds; undefined without a response. */
  p99: number | undefined;
}

/** The length of a slice in milliseconds. */
export const SLICE = 250;

/** The drill over time, for the chart. */
export class Timeline {
  readonly slices: Slice[] = [];
  #latencies: number[] = [];

  /** Counts a request that ended at `now`, with its latency, or lost. */
  add(now: number, latency: number | undefined): void {
    const slice = this.#sliceAt(now);
    slice.requests += 1;
    if (latency === undefined) slice.lost += 1;
    else this.#latencies.push(latency);
  }

  /** Brings the slices up to `now`. */
  close(now: number): void {
    this.#sliceAt(now);
    this.#finish();
  }

  #sliceAt(now: number): Slice {
    let last = this.slices.at(-1);
    while (!last || now >= last.at + SLICE) {
      this.#finish();
      last = { at: last ? last.at + SLICE : 0, requests: 0, lost: 0, p99: undefined };
      this.slices.push(last);
    }
    return last;
  }

  #finish(): void {
    const slice = this.slices.at(-1);
    if (!slice || this.#latencies.length === 0) return;
    const sorted = this.#latencies.sort((one, other) => one - other);
    slice.p99 = sorted[Math.ceil(sorted.length * 0.99) - 1];
    this.#latencies = [];
  }
}
