import { setTimeout as sleep } from 'node:timers/promises';
import type { DrillFlags } from './flags.js';
import { milliseconds, seconds } from './format.js';
import { Ledger } from './ledger.js';
import { Load } from './load.js';
import { lossesAsText } from './losses.js';
import { type Phase, type PhaseKind, totalOf } from './phase.js';
import type { Progress } from './progress.js';
import type { Target } from './target.js';
import type { WebSockets } from './web-sockets.js';

/** The most WebSockets of each path. */
const MOST_WEB_SOCKETS = 10;

/** What a step does to the server; resolves with why it did not do what it should. */
export type Step = () => Promise<string | undefined>;

/** One drill: the clients, and the steps of which each is a phase. */
export class Session {
  readonly target: Target;
  readonly ledger = new Ledger();
  readonly #flags: DrillFlags;
  readonly #progress: Progress;
  readonly #load: Load;
  readonly #interrupted: AbortSignal;
  #webSockets: WebSockets | undefined;

  constructor(target: Target, flags: DrillFlags, progress: Progress, interrupted: AbortSignal) {
    this.target = target;
    this.#flags = flags;
    this.#progress = progress;
    this.#interrupted = interrupted;
    this.#load = new Load(target, this.ledger, { kept: flags.connections, fresh: flags.new });
    progress.show(() => this.#status());
  }

  /** Opens the WebSockets, and watches the server before the first step. */
  async begin(): Promise<void> {
    const { websocket = [], connections, every } = this.#flags;
    if (websocket.length > 0) {
      // Only here: most drills need no WebSockets.
      const { WebSockets } = await import('./web-sockets.js');
      const count = Math.min(MOST_WEB_SOCKETS, Math.max(1, connections));
      this.#webSockets = new WebSockets(this.target, this.ledger, websocket, count);
    }
    await this.#watch(every);
    this.#print(this.ledger.current);
  }

  /** Takes a step under load, and goes on watching for `--every`. */
  async step(name: string, kind: PhaseKind, act: Step): Promise<void> {
    if (this.#interrupted.aborted) return;
    const phase = this.ledger.begin(name, kind);
    const began = performance.now();
    let error: string | undefined;
    try {
      error = await act();
    } catch (thrown) {
      error = (thrown as Error).message;
    }
    phase.step = { tookMs: Math.round(performance.now() - began), error };
    if (kind !== 'stop') await this.#watch(this.#flags.every);
    this.#print(phase);
  }

  /** Before a stop: no client opens a connection any more. */
  async leave(): Promise<void> {
    this.#webSockets?.leave();
    await this.#load.leave();
  }

  /** Ends all clients after their requests in flight. */
  async end(): Promise<void> {
    await this.#load.stop();
    this.#webSockets?.stop();
    this.ledger.close();
    this.#progress.end();
  }

  async #watch(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#interrupted }).catch(() => {});
  }

  #print(phase: Phase): void {
    const { name, step, answered, lostBy, lost, latencies } = phase;
    const took = step ? ` ${seconds(step.tookMs)}` : '';
    const why = lost > 0 ? `: ${lossesAsText(Object.fromEntries(lostBy))}` : '';
    const failed = step?.error === undefined ? '' : `; ${step.error}`;
    const p99 = answered > 0 ? `, p99 ${milliseconds(latencies.percentile(99) / 1_000)}` : '';
    const forgiven = totalOf(phase.forgiven);
    const toKill = forgiven === lost ? ' to the SIGKILL' : ` (${forgiven} to the SIGKILL)`;
    const what = `${phase.requests} requests, ${lost} lost${forgiven > 0 ? toKill : ''}${why}`;
    this.#progress.line(`${name}${took}: ${what}${p99}${failed}`);
  }

  #status(): string {
    const { phases, current, now } = this.ledger;
    const sum = (of: (phase: Phase) => number) => phases.reduce((all, phase) => all + of(phase), 0);
    const lost = sum(({ counted }) => totalOf(counted));
    return `${seconds(now)}  ${current.name}: ${sum(({ requests }) => requests)} requests, ${lost} lost`;
  }
}
