import { type ClientHttp2Session, connect, constants } from 'node:http2';

/** The options of an HTTP/2 load. */
export interface Http2LoadOptions {
  /** `https:` or, with prior knowledge, `http:`. */
  url: string;
  /** The number of streams open at any time, all on one session. */
  streams: number;
  /** Milliseconds until a request without a whole answer is lost. Default 5000. */
  timeout?: number;
}

/** The result of an HTTP/2 load, live while it runs. */
export interface Http2LoadReport {
  readonly answered: number;
  /** The reason of each loss. */
  readonly lost: readonly string[];
  /** Requests sent again because the server did not run them: refused, or above the last stream of a GOAWAY. */
  readonly retried: number;
  /** Sessions begun. */
  readonly sessions: number;
  /** The number of requests that each generation answered. */
  readonly answers: ReadonlyMap<string, number>;
}

/** A running HTTP/2 load. */
export interface Http2Load extends Http2LoadReport {
  /** Starts no more streams, and waits for the end of those that are open. */
  stop(): Promise<Http2LoadReport>;
}

/**
 * Keeps `streams` streams open on one session; a GOAWAY makes it open another session.
 *
 * It sends a request again only where RFC 9113 (8.7) says that the server did not run it: refused with REFUSED_STREAM,
 * or above the last stream of a GOAWAY. Every other failure is a loss.
 */
export function startHttp2Load(options: Http2LoadOptions): Http2Load {
  return new RunningHttp2Load(options);
}

/** A session, and the last stream that its server runs. */
interface Session {
  session: ClientHttp2Session;
  last: number;
}

class RunningHttp2Load implements Http2Load {
  answered = 0;
  retried = 0;
  sessions = 0;
  readonly lost: string[] = [];
  readonly answers = new Map<string, number>();
  readonly #options: Http2LoadOptions;
  readonly #workers: Promise<unknown>;
  readonly #open = new Set<ClientHttp2Session>();
  #current: Session | undefined;
  #stopping = false;

  constructor(options: Http2LoadOptions) {
    this.#options = options;
    this.#workers = Promise.all(Array.from({ length: options.streams }, () => this.#work()));
  }

  async stop(): Promise<Http2LoadReport> {
    this.#stopping = true;
    await this.#workers;
    for (const session of this.#open) session.destroy();
    return this;
  }

  async #work(): Promise<void> {
    while (!this.#stopping) {
      const outcome = await this.#ask();
      if (outcome === 'retry') this.retried += 1;
      else if (outcome.startsWith('generation ')) {
        this.answered += 1;
        const generation = outcome.slice('generation '.length);
        this.answers.set(generation, (this.answers.get(generation) ?? 0) + 1);
      } else {
        this.lost.push(outcome);
        await new Promise((resolve) => setTimeout(resolve, LOSS_PAUSE));
      }
    }
  }

  #session(): Session {
    if (this.#current) return this.#current;
    this.sessions += 1;
    const session = connect(this.#options.url, { rejectUnauthorized: false });
    const current: Session = { session, last: Number.POSITIVE_INFINITY };
    const retire = () => {
      if (this.#current === current) this.#current = undefined;
    };
    this.#open.add(session);
    session.on('goaway', (code, lastStreamId) => {
      if (code === constants.NGHTTP2_NO_ERROR) current.last = Math.min(current.last, lastStreamId);
      retire();
    });
    session.on('error', retire).once('close', () => {
      retire();
      this.#open.delete(session);
    });
    this.#current = current;
    return current;
  }

  /** Sends one request: resolves with the generation that answered, `retry` if the server did not run it, or the loss. */
  #ask(): Promise<string> {
    const current = this.#session();
    return new Promise((resolve) => {
      let stream: ReturnType<ClientHttp2Session['request']>;
      try {
        stream = current.session.request({ ':path': '/' });
      } catch {
        // The session ends: nothing was sent.
        if (this.#current === current) this.#current = undefined;
        resolve('retry');
        return;
      }
      let generation: string | undefined;
      let failure = '';
      stream.setTimeout(this.#options.timeout ?? DEFAULT_TIMEOUT, () => {
        failure = 'no whole answer in time';
        stream.close(constants.NGHTTP2_CANCEL);
      });
      stream.on('response', (headers) => {
        if (headers[':status'] === 200) generation = String(headers['x-generation']);
        else failure = `status ${headers[':status']}`;
      });
      let whole = false;
      stream.on('end', () => {
        whole = true;
      });
      stream.on('error', (error: NodeJS.ErrnoException) => {
        failure ||= `${error.code} ${error.message}`;
      });
      stream.on('close', () => {
        const refused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
        const above = stream.id !== undefined && stream.id > current.last;
        if (whole && generation !== undefined && failure === '') resolve(`generation ${generation}`);
        else if (refused || above) resolve('retry');
        else
          resolve(failure || `closed with ${stream.rstCode} on stream ${stream.id}, after ${current.last}`);
      });
      stream.resume();
    });
  }
}

const DEFAULT_TIMEOUT = 5_000;
const LOSS_PAUSE = 20;
