import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A raw HTTP/1.1 connection that keeps everything it receives. */
export class RawClient {
  readonly socket: Socket;
  text = '';
  /** What the connection broke with, such as a reset. */
  error: Error | undefined;
  /** Resolves with all that was received when the server has ended the connection. */
  readonly closed: Promise<string>;

  /** Connects to a port, or to the path of a unix socket. */
  constructor(where: number | string, host = '127.0.0.1') {
    this.socket = typeof where === 'number' ? connect(where, host) : connect(where);
    this.socket.on('data', (bytes) => {
      this.text += bytes.toString('latin1');
    });
    this.closed = new Promise((resolve) => {
      this.socket.on('error', (error) => {
        this.error = error;
      });
      this.socket.once('close', () => resolve(this.text));
    });
    onTestFinished(() => void this.socket.destroy());
  }

  /** Sends one or more GET requests in one piece. */
  get(...targets: string[]): this {
    this.socket.write(targets.map((target) => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(''));
    return this;
  }

  /** Sends bytes as they are. */
  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  /** Resolves with what was received since the last call, once it matches. */
  async receive(pattern: RegExp, timeout = 5_000): Promise<string> {
    const signal = AbortSignal.timeout(timeout);
    while (!pattern.test(this.text)) {
      if (this.socket.destroyed || signal.aborted)
        throw new Error(`no ${pattern} in ${JSON.stringify(this.text)}; closed: ${this.socket.destroyed}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const received = this.text;
    this.text = '';
    return received;
  }
}
