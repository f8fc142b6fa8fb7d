import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A server program of the folder `fixtures`, and how it is started. */
export interface Contender {
  file: string;
  /** Node's own options. */
  nodeOptions?: readonly string[];
}

const PATIENCE = 15_000;

/** A server in a process of its own that says how much CPU time it has used. */
export class ServerProcess {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Starts it and waits until it listens. */
  static async start({ file, nodeOptions = [] }: Contender): Promise<ServerProcess> {
    const child = spawn(process.execPath, [...nodeOptions, fixture(file)], {
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
    const answer = messageFrom<NodeJS.CpuUsage>(this.#child);
    this.#child.send('cpu');
    const { user, system } = await answer;
    return user + system;
  }

  /** Ends it; resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

/** The path of a server program. */
export function fixture(file: string): string {
  return fileURLToPath(new URL(`../fixtures/${file}`, import.meta.url));
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
