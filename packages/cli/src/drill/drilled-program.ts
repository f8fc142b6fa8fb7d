import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { getJson, order } from '../control/client.js';
import type { Status } from '../control/status.js';
import { EXIT } from '../exit-codes.js';
import { howEnded, type ProcessEnd } from '../process-end.js';
import { NotServing } from './find-target.js';
import { type Seen, seenBy } from './seen.js';

/** How long all workers may take to be ready. A first start that takes longer than 60 s ends the run before. */
const START_TIME = 90_000;
/** How long a program that is ready may take until its address is known. */
const ADDRESS_TIME = 2_000;
const LOOK_AGAIN = 50;
/** How long a killed worker may take until it is replaced. */
const REPLACE_TIME = 60_000;
/** The most of the program's output that is kept for the case that it does not start. */
const MOST_OUTPUT = 16_384;
const CHILD = fileURLToPath(new URL('run-child.js', import.meta.url));
const WITNESS = fileURLToPath(new URL('witness.cjs', import.meta.url));

/** The program of a drill, below an `endless run` of its own. */
export class DrilledProgram {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'endless-drill-'));
  readonly #child: ChildProcess;
  readonly #exited: Promise<ProcessEnd>;
  #output = '';

  constructor(words: readonly string[], workers: number | undefined) {
    const flags = ['--control', this.#control];
    if (workers !== undefined) flags.push('--workers', String(workers));
    this.#child = fork(CHILD, ['run', ...flags, '--', ...withWitness(words)], {
      env: { ...process.env, ENDLESS_DRILL: this.#folder },
      // No option of the process of the drill is for that of the program.
      execArgv: [],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.#output = `${this.#output}${chunk}`.slice(-MOST_OUTPUT);
      });
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
    });
  }

  get #control(): string {
    return path.join(this.#folder, 'control');
  }

  get #failFile(): string {
    return path.join(this.#folder, 'fail');
  }

  /** Resolves with the addresses of the program when all its workers are ready; rejects with {@link NotServing}. */
  async addresses(interrupted: AbortSignal, startTime = START_TIME): Promise<string[]> {
    const late = performance.now() + startTime;
    let end: ProcessEnd | undefined;
    let readyAt: number | undefined;
    void this.#exited.then((ended) => {
      end = ended;
    });
    while (!interrupted.aborted) {
      const status = await this.#status().catch(() => undefined);
      if (status?.state === 'running') {
        if (status.addresses.length > 0) return status.addresses.map(({ address }) => address);
        // The supervisor gets a copy of a socket only once its worker has kept it for a moment.
        readyAt ??= performance.now();
        if (performance.now() - readyAt > ADDRESS_TIME)
          throw new NotServing('the program listens on no address');
      } else readyAt = undefined;
      if (end)
        throw new NotServing(`the program ${howEnded(end)} before it was ready.\n${this.#output.trim()}`);
      if (status?.state !== 'running' && performance.now() > late)
        throw new NotServing(
          `not all workers were ready within ${startTime / 1_000} s.\n${this.#output.trim()}`,
        );
      await sleep(LOOK_AGAIN);
    }
    throw new NotServing('interrupted before the program was ready');
  }

  /** A rolling restart of all workers. */
  restart(): Promise<string | undefined> {
    return this.#ordered('/restart', {});
  }

  /** One worker more, then one fewer. */
  async scale(): Promise<string | undefined> {
    return (await this.#ordered('/scale', { to: '+1' })) ?? (await this.#ordered('/scale', { to: '-1' }));
  }

  /** SIGKILLs worker 0, and waits until another process has replaced it. */
  async kill(): Promise<string | undefined> {
    const { worker } = await this.#status();
    const [first] = worker;
    if (!first?.pid || first.state !== 'ready') return 'worker 0 is not ready';
    const { crash } = first.restarts;
    process.kill(first.pid, 'SIGKILL');
    for (const until = performance.now() + REPLACE_TIME; performance.now() < until; await sleep(LOOK_AGAIN)) {
      const [now] = (await this.#status()).worker;
      if (now?.state === 'ready' && now.restarts.crash > crash) return undefined;
    }
    return `worker 0 was not ready again within ${REPLACE_TIME / 1_000} s`;
  }

  /** A restart whose new process fails at its start: nothing may change. */
  async failingRestart(): Promise<string | undefined> {
    const before = await this.#status();
    writeFileSync(this.#failFile, '');
    let exitCode: number;
    try {
      exitCode = await order(this.#control, '/restart', {}, () => {});
    } finally {
      rmSync(this.#failFile);
    }
    const after = await this.#status();
    if (exitCode === EXIT.done)
      return 'the new process did not fail: the program sets its own restart command';
    const [pids, pidsAfter] = [before, after].map(({ worker }) => worker.map(({ pid }) => pid).join());
    return pids === pidsAfter && after.state === 'running'
      ? undefined
      : 'the failed restart changed the workers';
  }

  /** Stops the program as SIGTERM does. */
  async stop(): Promise<string | undefined> {
    // The supervisor may be gone before its last line is read.
    await order(this.#control, '/stop', {}, () => {}).catch(() => {});
    const end = await this.#exited;
    if (end.code === EXIT.done) return undefined;
    return end.code === EXIT.failed ? 'requests were force-closed' : `the run ${howEnded(end)}`;
  }

  /** How many times workers have crashed. */
  async crashes(): Promise<number> {
    const { worker } = await this.#status();
    return worker.reduce((all, { restarts }) => all + restarts.crash, 0);
  }

  /** What the processes of the program have shown of themselves. */
  seen(): Seen[] {
    return seenBy(this.#folder);
  }

  /** Stops the program if it still runs, and removes its folder. */
  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      // A second stop signal force-closes.
      const again = setInterval(() => this.#child.kill('SIGTERM'), 1_500);
      await this.#exited;
      clearInterval(again);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #status(): Promise<Status> {
    return getJson<Status>(this.#control, '/status');
  }

  /** Gives an order; resolves with the last line of the answer if it was not done. */
  async #ordered(url: string, body: object): Promise<string | undefined> {
    let last = '';
    const exitCode = await order(this.#control, url, body, (line) => {
      last = line;
    });
    return exitCode === EXIT.done ? undefined : last;
  }
}

/** Lets Node.js load the witness before the program. */
function withWitness(words: readonly string[]): string[] {
  const [first = '', ...rest] = words;
  return /^node(js)?(\.exe)?$/.test(path.basename(first))
    ? [first, '--require', WITNESS, ...rest]
    : [process.execPath, '--require', WITNESS, ...words];
}
