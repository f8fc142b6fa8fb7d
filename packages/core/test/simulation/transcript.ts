import { shortForm } from '../../src/debug.js';
import type { State } from '../../src/lifecycle/phase.js';
import type { SimProcess } from './process.js';
import { type Program, Simulation } from './simulation.js';

/** Fields of messages that a transcript leaves out: texts, and numbers of the build. */
const LEFT_OUT = ['message', 'protocol', 'version', 'text', 'pad'];
/** Details of events that a transcript shows as they are. */
const SHOWN_DETAILS = ['reason', 'deadlineMs', 'connections'];

/** Runs the commands of a transcript, which begin with `> `, and writes what follows from each below it. */
export async function runTranscript(text: string): Promise<string> {
  const run = new Run();
  const output: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('> ')) output.push(line, ...(await run.command(line.slice(2))));
    else if (line.startsWith('#') || line === '') output.push(line);
  }
  return `${output.join('\n').trim()}\n`;
}

/** Simulated processes that run one command at a time. */
export class Run {
  readonly simulation: Simulation;
  /** The processes whose rollback window is open. */
  readonly windows = new Set<SimProcess>();
  /** For each call of `restart()` that has not settled, its process. */
  readonly #open: SimProcess[] = [];
  readonly #states = new Map<SimProcess, State>();
  readonly #accepts = new Map<SimProcess, string>();
  #unanswered: { process: SimProcess; respond: () => void }[] = [];
  #ports = [8080];
  #lines: string[] = [];
  #began = 0;
  /** What the health checks answer; undefined without health checks. */
  #healthy: boolean | undefined;

  constructor() {
    this.simulation = new Simulation({
      spawned: (parent, child) => this.#note(`${parent.name} spawns ${child.name}`),
      sent: (from, to, message, handle) => {
        this.#note(`${from} -> ${to}: ${this.#shown(message)}${handle ? ' +handle' : ''}`);
        this.onSent(to, message as { type: string });
      },
      event: (process, name, details) => {
        this.#note(`${process.name} emits ${name}${this.#details(details)}`);
        this.onEvent(process, name, details);
      },
      exited: (process, { exitCode, signal }) =>
        this.#note(`${process.name} ${signal ? `is ended by ${signal}` : `exits with ${exitCode}`}`),
      log: (process, line) => {
        if (globalThis.process.env.SIMULATION_LOG) console.log(process.name, line.trimEnd());
      },
      stepped: () => {
        this.#look();
        this.onStep();
      },
    });
    this.simulation.programs.push(this.#program());
  }

  /** Requests that have no response yet. */
  get requests(): number {
    return this.#unanswered.length;
  }

  /** Whether a process has a request that has no response yet. */
  isBusy(process: SimProcess): boolean {
    return this.#unanswered.some((each) => each.process === process);
  }

  /** A process emits an event. */
  protected onEvent(process: SimProcess, name: string, _details: object): void {
    if (name === 'handover') this.windows.add(process);
    if (name === 'committed' || name === 'rollback') this.windows.delete(process);
  }

  /** A message goes to a process. */
  protected onSent(_to: string, _message: { type: string }): void {}

  /** All that can happen at a moment has happened. */
  protected onStep(): void {}

  /** Calls of `restart()` that have not settled, in processes that live. */
  get openRestarts(): number {
    return this.#open.filter(({ alive }) => alive).length;
  }

  /** Runs a command; resolves with what followed at the same moment, or within the time of a `wait`. */
  async command(line: string): Promise<string[]> {
    this.#lines = [];
    this.#began = this.simulation.clock.now;
    const [, who, what = ''] = /^(?:(\w+): )?(.*)$/.exec(line) as unknown as [string, string?, string?];
    const [verb = '', ...words] = what.split(' ');
    const process = this.simulation.processes.find(({ name }) => name === who);
    if (who !== undefined && !process) throw new Error(`no process ${who}: ${line}`);
    const simulation = this.simulation;
    await simulation.step(async () => {
      if (process) return this.#order(process, verb, words);
      if (verb === 'settings') simulation.settings = { ...simulation.settings, ...valuesOf(words) };
      else if (verb === 'ports') this.#ports = words.map(Number);
      else if (verb === 'start') simulation.start();
      else if (verb === 'next') simulation.programs.unshift(this.#program(words));
      else if (verb === 'latency') simulation.latency = () => Number(words[0]);
      else if (verb === 'respond') this.#respond();
      else if (verb === 'health') this.#healthy = words[0] === 'good';
      else if (verb !== 'wait') throw new Error(`unknown command: ${line}`);
    });
    // Without `wait` only what follows at the same moment.
    await simulation.run(verb === 'wait' ? Number(words[0]) : 0);
    return this.#lines;
  }

  #order(process: SimProcess, verb: string, words: string[]): void {
    if (!process.booted || !process.alive) return;
    const { endless } = process;
    const settles = (promise: Promise<object>) =>
      void promise.then(
        (result) => this.#note(`${process.name} ${verb} resolves${this.#details(result)}`),
        (error: { code: string }) => this.#note(`${process.name} ${verb} rejects with ${error.code}`),
      );
    const [first = ''] = words;
    switch (verb) {
      case 'signal':
        for (let left = Number(words[1] ?? 1); left > 0; left -= 1) process.signal(first as NodeJS.Signals);
        break;
      case 'exit':
        process.exit(Number(first));
        break;
      case 'restart':
        this.#open.push(process);
        settles(endless.restart().finally(() => this.#open.splice(this.#open.indexOf(process), 1)));
        break;
      case 'shutdown':
        settles(endless.shutdown());
        break;
      case 'ready':
        endless.ready();
        break;
      case 'listen':
        process.listen(Number(first));
        break;
      case 'close':
        process.servers.shift()?.close();
        break;
      case 'request':
        if (process.servers[0])
          this.#unanswered.push({ process, respond: process.request(process.servers[0]) });
        break;
      case 'respond':
        this.#respond(process);
        break;
      case 'cut':
        this.simulation.children.get(process)?.pipe.cut();
        break;
      default:
        throw new Error(`unknown command: ${process.name}: ${verb}`);
    }
  }

  #respond(process?: SimProcess): void {
    const next = this.#unanswered.find((each) => !process || each.process === process);
    this.#unanswered = this.#unanswered.filter((each) => each !== next);
    if (next?.process.alive) next.respond();
  }

  /** What a process runs: it listens on every port, unless `words` change that. */
  #program(words: string[] = []): Program {
    const values = valuesOf(words) as Record<string, unknown>;
    return (process) => {
      const { delay, exits, ports, stuck } = values;
      const ready = () => {
        if (!process.alive) return;
        release();
        if (typeof exits === 'number') return process.exit(exits);
        const list = ports === undefined ? this.#ports : String(ports).split(',').filter(Boolean).map(Number);
        for (const port of list) process.listen(port);
      };
      const release = process.keep();
      process.endless.configure({
        restart: { command: 'program', args: [] },
        ...this.simulation.settings,
        ...(this.#healthy === undefined ? {} : { healthCheck: () => this.#healthy }),
      });
      if (stuck) return;
      this.simulation.clock.in(Number(delay ?? 0), ready);
    };
  }

  #look(): void {
    for (const process of this.simulation.processes) {
      const state = process.booted ? process.lifecycle.state : 'init';
      const before = this.#states.get(process) ?? 'init';
      this.#states.set(process, state);
      if (state !== before && process.alive) this.#note(`${process.name} is ${state}`);
      const accepts = process.accepts.join(', ');
      const accepted = this.#accepts.get(process) ?? '';
      this.#accepts.set(process, accepts);
      if (accepts !== accepted && process.alive)
        this.#note(`${process.name} accepts ${accepts ? `on ${accepts}` : 'no more'}`);
    }
  }

  #note(text: string): void {
    this.#lines.push(`${String(this.simulation.clock.now - this.#began).padStart(6)} ${text}`);
  }

  #shown(message: object): string {
    const fields = Object.entries(message).filter(([name]) => !LEFT_OUT.includes(name));
    return shortForm(
      Object.fromEntries(fields.map(([name, value]) => [name, name === 'pid' ? this.#nameOf(value) : value])),
    ).replace(/pid="(\w+)"/, '$1');
  }

  #details(details: object): string {
    const { pid, error, ...rest } = details as { pid?: number; error?: { code: string } };
    const words = [pid === undefined ? '' : this.#nameOf(pid), error?.code ?? ''];
    for (const [name, value] of Object.entries(rest))
      if (SHOWN_DETAILS.includes(name) && !(error && name === 'reason'))
        words.push(`${name}=${shown(value)}`);
    return words
      .filter(Boolean)
      .map((word) => ` ${word}`)
      .join('');
  }

  #nameOf(pid: unknown): string {
    return this.simulation.byPid(pid as number)?.name ?? String(pid);
  }
}

function shown(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Words like `hammerTime=500` as an object. */
function valuesOf(words: string[]): Record<string, unknown> {
  return Object.fromEntries(
    words.map((word) => {
      const [name = '', value = 'true'] = word.split('=');
      return [
        name,
        value === 'true' ? true : value === '' || Number.isNaN(Number(value)) ? value : Number(value),
      ];
    }),
  );
}
