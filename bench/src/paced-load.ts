import net from 'node:net';

/**
 * Run as a process of its own: kept-alive connections for requests that are due at fixed times, each on one that is free, as a
 * load balancer does with its pool. The latency of an answer counts from the moment at which its request was due, so that a
 * server that stalls is not asked less for it. Beside them
 * connections come and go, as at every server: what a process has never done yet is slow.
 */

/** What this process is told; it answers each with one message. */
export type Command =
  /** Opens the connections. */
  | { type: 'open'; port: number; connections: number }
  /** Asks as fast as the server can, for so long; answered with requests per second. */
  | { type: 'capacity'; ms: number }
  /** From now on so many requests are due in a second. */
  | { type: 'pace'; rate: number }
  /** Forgets what was measured. */
  | { type: 'mark' }
  /** Answered with the 99th percentile of the latencies since `mark`, in milliseconds. */
  | { type: 'p99' };

/** How often one comes, asks once and goes. */
const VISIT_EVERY = 20;

const REQUEST = 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n';

class Connection {
  readonly #socket: net.Socket;
  readonly #due: number[] = [];
  #size = 0;
  #received = 0;
  #waiting = false;
  onAnswer: (due: number) => void = () => {};

  private constructor(socket: net.Socket) {
    this.#socket = socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#receive(chunk));
    // Nothing may be lost and no connection closed: what follows would not be a measurement.
    socket.on('error', (error) => process.exit(fail(error.message)));
    socket.on('close', () => process.exit(fail('The server closed a connection.')));
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(new Connection(socket)));
      socket.once('error', reject);
    });
  }

  /** Whether no request waits for an answer on it. */
  get free(): boolean {
    return !this.#waiting;
  }

  /** A request is due at this moment, and is sent as soon as those before it have been answered. */
  ask(due: number): void {
    this.#due.push(due);
    this.#next();
  }

  #next(): void {
    if (this.#waiting || this.#due.length === 0) return;
    this.#waiting = true;
    this.#socket.write(REQUEST);
  }

  // The answer is always the same, and so is its size.
  #receive(chunk: Buffer): void {
    this.#size ||= chunk.length;
    this.#received += chunk.length;
    if (this.#received < this.#size) return;
    this.#received -= this.#size;
    this.#waiting = false;
    this.onAnswer(this.#due.shift() as number);
    this.#next();
  }
}

function visit(port: number): void {
  const socket = net.connect(port, '127.0.0.1', () => socket.write(REQUEST));
  socket.once('data', () => socket.end());
  socket.on('error', (error) => process.exit(fail(error.message)));
}

function fail(message: string): number {
  console.error(message);
  return 1;
}

let connections: Connection[] = [];
let latencies: number[] = [];

async function capacity(ms: number): Promise<number> {
  let answered = 0;
  const began = performance.now();
  await new Promise<void>((resolve) => {
    let left = connections.length;
    for (const connection of connections) {
      connection.onAnswer = () => {
        answered += 1;
        if (performance.now() - began < ms) connection.ask(0);
        else if (--left === 0) resolve();
      };
      connection.ask(0);
    }
  });
  return (answered / (performance.now() - began)) * 1_000;
}

function pace(rate: number): void {
  for (const connection of connections)
    connection.onAnswer = (due) => latencies.push(performance.now() - due);
  let due = performance.now();
  setInterval(() => {
    for (const now = performance.now(); due <= now; due += 1_000 / rate) anyConnection().ask(due);
  }, 1);
}

/** One that is free, by chance: in a fixed order those that have moved would be asked one right after the other. */
function anyConnection(): Connection {
  const free = connections.filter((connection) => connection.free);
  const among = free.length > 0 ? free : connections;
  return among[Math.floor(Math.random() * among.length)] as Connection;
}

async function obey(command: Command): Promise<number> {
  switch (command.type) {
    case 'open':
      connections = await Promise.all(
        Array.from({ length: command.connections }, () => Connection.open(command.port)),
      );
      setInterval(() => visit(command.port), VISIT_EVERY);
      return connections.length;
    case 'capacity':
      return capacity(command.ms);
    case 'pace':
      pace(command.rate);
      return command.rate;
    case 'mark':
      latencies = [];
      return 0;
    case 'p99': {
      const sorted = Float64Array.from(latencies).sort();
      return sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
    }
  }
}

process.on('message', async (command: Command) => process.send?.(await obey(command)));
process.on('disconnect', () => process.exit());
