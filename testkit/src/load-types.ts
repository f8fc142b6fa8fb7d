import type { ConnectionOptions } from 'node:tls';

/** One request of a load. */
export interface LoadRequest {
  /** `GET` if not given. */
  method?: string;
  /** The request target as it stands in the request line. */
  target: string;
  headers?: Record<string, string>;
  /** Sent with its `Content-Length`. */
  body?: Buffer | string;
}

/** A whole and well-formed answer. */
export interface LoadResponse {
  /** The number of the request, as `request(n)` got it. */
  n: number;
  request: LoadRequest;
  status: number;
  /** Names are in lower case. */
  headers: Record<string, string>;
  /** Kept only when `label`, `check` or `onResponse` is there to look at it; else empty. */
  body: Buffer;
  /** From the moment the request was due, a connection that had to be opened included. */
  latencyMs: number;
}

/** Why a request counts as lost. */
export type LossReason =
  /** The connection was refused, or the unix socket was not there. */
  | 'refused'
  /** The connection could not be opened for another reason. */
  | 'connect-failed'
  /** The connection broke after the first byte of the request was written. */
  | 'reset'
  /** The connection was ended after the first byte of the request was written. */
  | 'ended'
  /** No whole answer in time. */
  | 'timeout'
  /** The answer was a server error. */
  | '5xx'
  /** The answer was no HTTP, or bytes came that nobody had asked for. */
  | 'malformed'
  /** `check` did not accept the answer. */
  | 'wrong';

/** One lost request, with what helps to find out why. */
export interface Loss {
  reason: LossReason;
  detail: string;
  /** Milliseconds since the load began. */
  at: number;
  method: string;
  target: string;
  /** Milliseconds since the connection was begun. */
  connectionAge: number;
  /** Answers that this connection had carried before. */
  answeredBefore: number;
  /** The label of the last of them. */
  lastLabel: string | undefined;
  /** Bytes of the response that had come. */
  received: number;
  /** The client's port, to find the connection in a trace. */
  localPort: number | undefined;
}

/** What a load does. */
export interface LoadOptions {
  port?: number;
  /** `127.0.0.1` if not given. */
  host?: string;
  /** A unix socket instead of `port` and `host`. */
  path?: string;
  /** Speaks TLS, with these options; each connection makes a whole handshake. */
  tls?: ConnectionOptions;
  /** How many workers there are, each with one connection at a time. */
  connections: number;
  /** Whether a worker stays on its connection, or opens one for each request. */
  mode: 'keep-alive' | 'new-connection';
  /** Makes the nth request; `GET /` if not given. */
  request?: (n: number) => LoadRequest;
  /** Milliseconds between an answer and the worker's next request; none if not given. */
  thinkTime?: () => number;
  /** Milliseconds until a request without a whole answer is lost. Default 5000. */
  timeout?: number;
  /** Milliseconds that a worker waits after a loss, so that a dead server makes no busy loop. Default 20. */
  lossPause?: number;
  /** The load ends by itself after so many requests. */
  maxRequests?: number;
  /** Says who answered; the header `x-generation` if not given. */
  label?: (response: LoadResponse) => string;
  /** Says what is wrong with an answer, which makes it a loss. */
  check?: (response: LoadResponse) => string | undefined;
  /** Sees every answer that is not a loss. */
  onResponse?: (response: LoadResponse) => void;
  /** Keeps the latency of each answered request. */
  recordLatency?: boolean;
}

/** What has become of a load, live while it runs. */
export interface LoadReport {
  /** Requests that have come to their end: `answered + lostCount`. */
  readonly requests: number;
  readonly answered: number;
  readonly lostCount: number;
  /** The first thousand losses. */
  readonly lost: readonly Loss[];
  /** How many requests were lost for each reason. */
  readonly lostBy: ReadonlyMap<LossReason, number>;
  /** Connections begun. */
  readonly opened: number;
  /** Connections that the server closed between two requests, which is no loss. */
  readonly idleClosed: number;
  /** Answers in keep-alive mode after which the connection could not be used again, which is no loss. */
  readonly toldToClose: number;
  /** How many requests each label answered. */
  readonly answers: ReadonlyMap<string, number>;
  /** Milliseconds of each answered request, with `recordLatency`. */
  readonly latencies: readonly number[];
  readonly durationMs: number;
}

/** A load that runs. */
export interface Load extends LoadReport {
  /** Resolves when the load has ended, by `stop` or by `maxRequests`. */
  readonly ended: Promise<LoadReport>;
  /** Lets requests in flight come to their end, closes every connection and leaves no timer. */
  stop(): Promise<LoadReport>;
}
