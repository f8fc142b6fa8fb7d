import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A server program of the folder `fixtures`, and how it is started. */
export interface Contender {
  file: string;
  /** Node's own options. */
  nodeOptions?: readonly string[];
  /** Added to our own environment. */
  env?: Record<string, string>;
}

const PATIENCE = 15_000;

/** A server in a process of its own that says what it has used. */
export class ServerProcess {
  readonly port: number;
  /** Resolves when it has ended. */
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    this.exited = hasEnded(child) ? Promise.resolve() : once(child, 'exit').then(() => {});
  }

  /** Starts it and waits until it listens. */
  static async start({ file, nodeOptions = [], env = {} }: Contender): Promise<ServerProcess> {
    const child = spawn(process.execPath, [...nodeOptions, fixture(file)], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk).slice(-4_000);
    });
    try {
      const { port } = await messageFrom<{ port: number }>(child);
      return new ServerProcess(child, port);
    } catch (error) {
      child.kill('SIGKILL');
      throw new Error(`${file} did not start.\n${stderr}`, { cause: error });
    }
  }

  /** Microseconds of CPU time of all its threads so far, in user and kernel mode. */
  async cpuTime(): Promise<number> {
    const { user, system } = await this.#ask<NodeJS.CpuUsage>('cpu');
    return user + system;
  }

  /** What it holds once its garbage is collected; it must have been started with `--expose-gc`. */
  memory(): Promise<NodeJS.MemoryUsage> {
    return this.#ask('memory');
  }

  /** Sends it a signal. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it; resolves when it is gone. */
  async stop(): Promise<void> {
    if (!hasEnded(this.#child)) this.#child.kill('SIGKILL');
    await this.exited;
  }

  async #ask<Answer>(question: 'cpu' | 'memory'): Promise<Answer> {
    const answer = messageFrom<Answer>(this.#child);
    this.#child.send(question);
    return answer;
  }
}

/** The path of a server program. */
export function fixture(file: string): string {
  return fileURLToPath(new URL(`../fixtures/${file}`, import.meta.url));
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Resolves with the next message; rejects if the process ends before, or takes too long. */
async function messageFrom<Message>(child: ChildProcess): Promise<Message> {
  const settled = new AbortController();
  const signal = AbortSignal.any([settled.signal, AbortSignal.timeout(PATIENCE)]);
  const ended = once(child, 'exit', { signal }).then(() => {
    throw new Error('The server ended.');
  });
  try {
    const [message] = await Promise.race([once(child, 'message', { signal }), ended]);
    return message as Message;
  } finally {
    settled.abort();
  }
}
