import net from 'node:net';

const GET = 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n';
/** Connections that are opened at a time, so that no queue of the kernel overflows. */
const AT_A_TIME = 200;
/** One source address has fewer ports than this to one address. */
const PER_ADDRESS = 20_000;

/** Opens kept-alive connections, each of which has had one answer, and is idle. */
export async function openCrowd(port: number, size: number): Promise<Customer[]> {
  const crowd: Customer[] = [];
  while (crowd.length < size) {
    const count = Math.min(AT_A_TIME, size - crowd.length);
    crowd.push(
      ...(await Promise.all(
        Array.from({ length: count }, (_, index) => Customer.open(port, sourceOf(crowd.length + index))),
      )),
    );
  }
  return crowd;
}

/** So many connections can be open at once, in this process as in the server, with room for its other descriptors. */
export function mostConnections(): number {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft: unknown } } };
  const limit = Number(userLimits?.open_files?.soft);
  return Number.isFinite(limit) ? Math.max(100, limit - 1_000) : 100_000;
}

/** A client with one connection, on which it asks one question at a time. */
export class Customer {
  readonly #socket: net.Socket;
  #received = '';
  #answered: ((answer: string | undefined) => void) | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.#received += chunk.toString('latin1');
      // Every program under test answers with this body.
      if (this.#received.endsWith('hello')) this.#settle(this.#received);
    });
    socket.on('error', () => {});
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#settle(undefined));
  }

  /** Connects, and asks once. */
  static async open(port: number, localAddress?: string): Promise<Customer> {
    const customer = await Customer.connect(port, localAddress);
    if ((await customer.ask(GET)) === undefined) throw new Error('A server closed a new connection.');
    return customer;
  }

  /** Connects; rejects if it cannot. */
  static connect(port: number, localAddress?: string): Promise<Customer> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1', ...(localAddress && { localAddress }) });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Customer(socket));
      });
    });
  }

  /** Whether its connection has been closed. */
  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  /** Sends a request and resolves with the whole answer, or undefined if the connection ends before that. */
  ask(request: string): Promise<string | undefined> {
    if (this.isClosed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#received = '';
      this.#answered = resolve;
      this.#socket.write(request);
    });
  }

  /** Closes its connection. */
  close(): void {
    this.#socket.destroy();
  }

  #settle(answer: string | undefined): void {
    this.#answered?.(answer);
    this.#answered = undefined;
  }
}

/** Other source addresses of loopback, once the first has no more ports; Linux has them all. */
function sourceOf(index: number): string | undefined {
  const address = Math.floor(index / PER_ADDRESS);
  return address === 0 ? undefined : `127.0.0.${1 + address}`;
}
