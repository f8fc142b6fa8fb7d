import { Random } from '../random.js';
import type { SimProcess } from './process.js';
import { Run } from './transcript.js';

/** Time for which a process may outlive its deadline: other processes, and hooks, have their own limits. */
const SLACK = 15_000;
const HAMMER_TIME = 5_000;
const START_TIMEOUT = 3_000;
/** Longer than anything that may be under way. */
const REST = 60_000;

/** What broke, and the smallest inputs found that break it. */
export interface Failure {
  message: string;
  inputs: string[];
}

/** Runs one random story of so many inputs; resolves with what broke, if anything did. */
export async function randomStory(seed: number, length: number): Promise<Failure | undefined> {
  const random = new Random(seed);
  const inputs: string[] = [];
  const message = await story(async (run) => {
    for (const input of [settingsOf(random), 'health good', 'start']) await run.tell(input, inputs);
    for (let left = length; left > 0; left -= 1) await run.tell(anInput(random, run), inputs);
  });
  if (message === undefined) return undefined;
  const fewest = await smallest(inputs);
  return { message: (await repeat(fewest)) ?? message, inputs: fewest };
}

/** Repeats a story from its inputs. */
export function repeat(inputs: readonly string[]): Promise<string | undefined> {
  return story(async (run) => {
    for (const input of inputs) await run.tell(input, []);
  });
}

function settingsOf(random: Random): string {
  const window = random.pick([0, 300, 1_000]);
  const most = random.pick([1, 3]);
  return `settings maxDraining=${most} rollbackWindow=${window} hammerTime=${HAMMER_TIME} startTimeout=${START_TIMEOUT}`;
}

function anInput(random: Random, run: Watched): string {
  const alive = run.alive.map(({ name }) => name);
  const name = alive.length > 0 ? random.pick(alive) : undefined;
  if (name === undefined) return 'start';
  const choices: [weight: number, input: () => string][] = [
    [30, () => `wait ${random.pick([0, 1, 2, 3, 5, 10, 13])}`],
    [6, () => `wait ${random.between(20, 3_000)}`],
    [1, () => `wait ${random.between(3_000, 20_000)}`],
    [12, () => `${name}: signal SIGHUP`],
    [4, () => `${name}: restart`],
    [3, () => `${name}: signal SIGTERM`],
    [1, () => `${name}: signal SIGINT`],
    [1, () => `${name}: signal SIGUSR2`],
    [3, () => `${name}: signal SIGKILL`],
    [1, () => `${name}: exit 3`],
    [1, () => `${name}: shutdown`],
    [1, () => `${name}: cut`],
    [5, () => `${name}: request`],
    [5, () => 'respond'],
    [2, () => `health ${random.pick(['good', 'good', 'bad'])}`],
    [2, () => `latency ${random.pick([0, 1, 1, 5, 60])}`],
    [1, () => `next ${random.pick(['exits=3', 'stuck', 'delay=200', 'delay=5000'])}`],
  ];
  let at = random.between(0, choices.reduce((sum, [weight]) => sum + weight, 0) - 1);
  for (const [weight, input] of choices) {
    if (at < weight) return input();
    at -= weight;
  }
  return 'wait 1';
}

/** Runs a story and its end, and checks what must hold at each step and at the end. */
async function story(tell: (run: Watched) => Promise<void>): Promise<string | undefined> {
  const run = new Watched();
  try {
    await tell(run);
    await run.end();
    return undefined;
  } catch (error) {
    return error instanceof Broken ? error.message : String((error as Error).stack);
  } finally {
    for (const process of run.alive) process.exit(0);
  }
}

class Broken extends Error {}

/** A run that is checked after each input. */
class Watched extends Run {
  /** The processes that have received `go`. */
  readonly #told = new Set<string>();
  readonly #stopsBy = new Map<string, number>();
  /** When the drain of each process may force-close. */
  readonly #deadlines = new Map<string, number>();
  /** How many stop signals each process has got. */
  readonly #stops = new Map<string, number>();
  /** Whether a signal may have asked for a force-close. */
  #forces = false;
  #broken: string | undefined;
  #wasCut = false;

  get alive() {
    return this.simulation.processes.filter(({ alive, booted }) => alive && booted);
  }

  async tell(input: string, inputs: string[]): Promise<void> {
    const [, name, verb = '', word = ''] = /^(?:(\w+): )?(\w+) ?(\S*)/.exec(input) ?? [];
    if (verb === 'cut') this.#wasCut = true;
    const process = this.alive.find((each) => each.name === name);
    // If `smallest` has left out inputs, the process may not exist.
    if (name !== undefined && !process) return;
    inputs.push(input);
    if (process && verb === 'signal' && /TERM|INT/.test(word)) {
      this.#mustExit(process.name);
      const stops = (this.#stops.get(process.name) ?? 0) + 1;
      this.#stops.set(process.name, stops);
      if (stops > 1) this.#forces = true;
    }
    if (word === 'SIGUSR2') this.#forces = true;
    for (const line of await this.command(input)) {
      const [, who = '', event] = /(\w+) emits (committed|draining)/.exec(line) ?? [];
      if (event === 'committed') this.#mustExit(who);
    }
    this.#throwIfBroken(input);
  }

  /** Answers what is left, waits until nothing more happens, and then stops everything. */
  async end(): Promise<void> {
    for (const input of ['health good', 'latency 1', ...this.simulation.processes.map(() => 'respond')])
      await this.command(input);
    while (this.requests > 0) await this.command('respond');
    await this.#pass(REST);
    const serving = this.alive.filter(({ lifecycle }) => lifecycle.state === 'running');
    if (serving.length > 0 && serving.every(({ accepts }) => accepts.length === 0))
      throw new Broken(`no process accepts while idle: ${serving.map(({ name }) => name)}`);
    if (this.openRestarts > 0) throw new Broken('a restart has not settled');
    for (const process of serving)
      if (process.timers + process.keeps > 0)
        throw new Broken(
          `${process.name} has, while idle, ${process.timers} timers, and ${process.keeps} things keep it alive`,
        );
    for (const process of this.alive) await this.command(`${process.name}: signal SIGTERM`);
    await this.#pass(HAMMER_TIME + SLACK);
    // A program that called `shutdown()` goes on, and handles its signals itself.
    const left = this.alive.filter(({ lifecycle }) => lifecycle.state !== 'terminated');
    if (left.length > 0) throw new Broken(`alive after a stop: ${left.map(({ name }) => name)}`);
  }

  protected override onEvent(process: SimProcess, name: string, details: object): void {
    const wasOpen = this.windows.has(process);
    super.onEvent(process, name, details);
    const { now } = this.simulation.clock;
    const { deadlineMs } = details as { deadlineMs?: number };
    if (name === 'rollback' && !wasOpen) this.#broken ??= `${process.name} rolls back without a window`;
    if (name === 'draining') this.#deadlines.set(process.name, now + (deadlineMs as number));
    if (name !== 'hammered' || this.#forces || !this.isBusy(process)) return;
    const most = this.simulation.settings.maxDraining as number;
    const draining = this.alive.filter(
      (each) => each.lifecycle.state === 'shutting-down' && this.isBusy(each),
    );
    if (now < (this.#deadlines.get(process.name) ?? 0) - 1 && draining.length <= most)
      this.#broken ??= `${process.name} force-closed a request before its deadline`;
  }

  async #pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) {
      await this.command('wait 1000');
      this.#throwIfBroken('rest');
    }
  }

  #mustExit(name: string): void {
    if (!this.#stopsBy.has(name)) this.#stopsBy.set(name, this.simulation.clock.now + HAMMER_TIME + SLACK);
  }

  protected override onSent(to: string, { type }: { type: string }): void {
    if (type === 'go') this.#told.add(to);
  }

  /** What must hold at every moment. */
  protected override onStep(): void {
    const { alive } = this;
    const { now } = this.simulation.clock;
    const running = alive.filter(({ lifecycle }) => lifecycle.state === 'running');
    if (running.length > 0 && !this.simulation.bound(8080))
      this.#broken ??= `no process holds the address, and ${running.map(({ name }) => name)} runs`;
    const windows = [...this.windows].filter(({ alive }) => alive);
    if (windows.length > 1) this.#broken ??= `open windows of ${windows.map(({ name }) => name)}`;
    for (const process of alive) {
      const { name } = process;
      if (now > (this.#stopsBy.get(name) ?? Number.POSITIVE_INFINITY))
        this.#broken ??= `${name} was told to stop and has not exited by its deadline`;
      const parent = this.simulation.children.get(process)?.parent;
      if (parent?.alive && !this.#wasCut && process.accepts.length > 0 && !this.#told.has(name))
        this.#broken ??= `${name} accepts before it is told to go`;
    }
  }

  #throwIfBroken(after: string): void {
    if (this.#broken) throw new Broken(`after ${after}: ${this.#broken}`);
  }
}

/** Leaves out the inputs that a failure does not need. */
async function smallest(inputs: readonly string[]): Promise<string[]> {
  let best = [...inputs];
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let at = 0; at < best.length; ) {
      const shorter = [...best.slice(0, at), ...best.slice(at + size)];
      if (shorter.includes('start') && (await repeat(shorter)) !== undefined) best = shorter;
      else at += size;
    }
  return best;
}
