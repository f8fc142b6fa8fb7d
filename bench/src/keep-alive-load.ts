import net from 'node:net';

const REQUEST = 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n';
const PATIENCE = 30_000;

/** Kept-alive connections that ask one question after the other, and accept nothing but the same whole answer. */
export class KeepAliveLoad {
  readonly #clients: Client[];

  private constructor(clients: Client[]) {
    this.#clients = clients;
  }

  /** Opens the connections. */
  static async open(port: number, connections: number): Promise<KeepAliveLoad> {
    return new KeepAliveLoad(await Promise.all(Array.from({ length: connections }, () => Client.open(port))));
  }

  /** Has so many requests answered, as fast as the server can; resolves with the milliseconds that it took. */
  async run(requests: number): Promise<number> {
    let left = requests;
    const isWanted = () => left-- > 0;
    const began = performance.now();
    await Promise.all(this.#clients.map((client) => client.ask(isWanted)));
    return performance.now() - began;
  }

  /** Closes the connections. */
  close(): void {
    for (const client of this.#clients) client.close();
  }
}

class Client {
  readonly #socket: net.Socket;
  #answerSize: number | undefined;
  #received = 0;
  #isWanted: () => boolean = () => false;
  #done: () => void = () => {};
  #failed: (error: Error) => void = () => {};

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setTimeout(PATIENCE, () =>
      socket.destroy(new Error(`No byte on a connection for ${PATIENCE} ms.`)),
    );
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (error) => this.#failed(error));
    socket.on('close', () => this.#failed(new Error('The server closed a connection.')));
  }

  static open(port: number): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Client(socket)));
    });
  }

  ask(isWanted: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed)
        return reject(new Error('The server closed a connection between two slices.'));
      this.#isWanted = isWanted;
      this.#done = resolve;
      this.#failed = reject;
      this.#next();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #next(): void {
    if (this.#isWanted()) this.#socket.write(REQUEST);
    else this.#done();
  }

  // Counts bytes only, since parsing would cost more than serving: the answer is always the same, and so is its size.
  #receive(chunk: Buffer): void {
    const isBeginning = this.#received === 0;
    this.#answerSize ??= sizeOfAnswer(chunk);
    this.#received += chunk.length;
    const size = this.#answerSize ?? 0;
    if (this.#received > size || (isBeginning && !isOk(chunk))) {
      this.#socket.destroy(new Error(`Not the expected answer: ${chunk.toString('latin1', 0, 300)}`));
    } else if (this.#received === size) {
      this.#received = 0;
      this.#next();
    }
  }
}

function isOk(beginning: Buffer): boolean {
  return beginning.toString('latin1', 0, 15) === 'HTTP/1.1 200 OK';
}

/** The size of an answer, from its head; undefined if that is not whole or does not say. */
function sizeOfAnswer(beginning: Buffer): number | undefined {
  const text = beginning.toString('latin1');
  const headSize = text.indexOf('\r\n\r\n') + 4;
  const bodySize = /\r\ncontent-length: (\d+)/i.exec(text)?.[1];
  return headSize < 4 || bodySize === undefined ? undefined : headSize + Number(bodySize);
}
