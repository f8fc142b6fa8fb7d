import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { get, type Program, startProgram } from '@endless/testkit';
import { appSource, type Variant } from './app-source.js';

/** The app of a drill: its source on disk, and the processes that run it. */
export class RunningApp {
  readonly port: number;
  readonly #variant: Variant;
  readonly #file: string;
  #program: Program | undefined;
  pid = -1;

  constructor(variant: Variant, port: number) {
    const folder = fileURLToPath(new URL('../.work/', import.meta.url));
    mkdirSync(folder, { recursive: true });
    this.port = port;
    this.#variant = variant;
    this.#file = `${folder}${variant}-app.js`;
  }

  /** Starts the first version. */
  async start(version: number): Promise<void> {
    this.#write(version);
    this.#spawn();
    this.pid = await this.#answering(version);
  }

  /** Changes the source, restarts, and returns how many milliseconds later a fresh connection met the new version. */
  async restart(version: number): Promise<number> {
    this.#write(version);
    const startedAt = performance.now();
    if (this.#variant === 'endless') this.#program?.signal('SIGHUP', this.pid);
    else {
      await this.#end();
      this.#spawn();
    }
    this.pid = await this.#answering(version);
    return performance.now() - startedAt;
  }

  /** Leaves no process behind. */
  async stop(): Promise<void> {
    await this.#program?.stop();
  }

  #write(version: number): void {
    writeFileSync(this.#file, appSource(this.#variant, version));
  }

  #spawn(): void {
    this.#program = startProgram(this.#file, { env: { PORT: String(this.port) } });
  }

  async #end(): Promise<void> {
    this.#program?.signal('SIGTERM');
    // Kept-alive connections under load keep a closed server going, so a process manager has to lose its patience.
    await Promise.race([this.#program?.exited, delay(PATIENCE, undefined, { ref: false })]);
    await this.#program?.stop();
  }

  // Resolves with the pid that answers a fresh connection in the name of this version.
  async #answering(version: number): Promise<number> {
    const deadline = performance.now() + 15_000;
    while (performance.now() < deadline) {
      const answer = await get({ port: this.port, path: '/hello/probe' }).catch(() => undefined);
      if (answer?.headers['x-version'] === `v${version}`) return pidOf(answer.body);
      if (this.#program?.pids().length === 0) break;
      await delay(10);
    }
    throw new Error(`v${version} of the ${this.#variant} app did not answer.\n${this.#program?.output}`);
  }
}

/** How long the ordinary app may take to end before it is killed: what pm2 waits by default. */
export const PATIENCE = 1600;

function pidOf(body: string): number {
  const { pid } = JSON.parse(body) as { pid: number };
  return pid;
}
