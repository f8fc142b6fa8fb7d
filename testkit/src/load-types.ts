import type { ConnectionOptions } from 'node:tls';

/** One request of a load. */
export interface LoadRequest {
  /** Default `GET`. */
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
  /** Kept only if `label`, `check` or `onResponse` reads it; otherwise empty. */
  body: Buffer;
  /** Milliseconds since the request was due, including the time to open a connection. */
  latencyMs: number;
}

/** Why a request counts as lost. */
export type LossReason =
  /** The connection was refused, or the unix socket was missing. */
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
  /** The answer was not valid HTTP, or bytes came without a request. */
  | 'malformed'
  /** `check` did not accept the answer. */
  | 'wrong';

/** One lost request, with the facts that help to find its cause. */
export interface Loss {
  reason: LossReason;
  detail: string;
  /** Milliseconds since the load began. */
  at: number;
  method: string;
  target: string;
  /** Milliseconds since the connection was begun. */
  connectionAge: number;
  /** The number of answers on this connection before. */
  answeredBefore: number;
  /** The label of the last of them. */
  lastLabel: string | undefined;
  /** Bytes received of the response. */
  received: number;
  /** The client's port, to find the connection in a trace. */
  localPort: number | undefined;
}

/** The options of a load. */
export interface LoadOptions {
  port?: number;
  /** Default `127.0.0.1`. */
  host?: string;
  /** A unix socket instead of `port` and `host`. */
  path?: string;
  /** Speaks TLS, with these options; each connection makes a whole handshake. */
  tls?: ConnectionOptions;
  /** The number of workers, each with one connection at a time. */
  connections: number;
  /** Whether a worker keeps its connection, or opens one for each request. */
  mode: 'keep-alive' | 'new-connection';
  /** Makes the nth request. Default `GET /`. */
  request?: (n: number) => LoadRequest;
  /** Milliseconds between an answer and the worker's next request. Default 0. */
  thinkTime?: () => number;
  /** Milliseconds until a request without a whole answer is lost. Default 5000. */
  timeout?: number;
  /** Milliseconds that a worker waits after a loss, so that a dead server makes no busy loop. Default 20. */
  lossPause?: number;
  /** The number of requests after which the load ends by itself. */
  maxRequests?: number;
  /** Names the process that answered. Default: the header `x-generation`. */
  label?: (response: LoadResponse) => string;
  /** Returns what is wrong with an answer, which makes it a loss. */
  check?: (response: LoadResponse) => string | undefined;
  /** Sees every answer that is not a loss. */
  onResponse?: (response: LoadResponse) => void;
  /** Keeps the latency of each answered request. */
  recordLatency?: boolean;
}

/** The result of a load, live while it runs. */
export interface LoadReport {
  /** Finished requests: `answered + lostCount`. */
  readonly requests: number;
  readonly answered: number;
  readonly lostCount: number;
  /** The first thousand losses. */
  readonly lost: readonly Loss[];
  /** The number of losses for each reason. */
  readonly lostBy: ReadonlyMap<LossReason, number>;
  /** Connections begun. */
  readonly opened: number;
  /** Connections that the server closed between two requests, which is no loss. */
  readonly idleClosed: number;
  /** Answers in keep-alive mode after which the connection could not be used again, which is no loss. */
  readonly toldToClose: number;
  /** The number of answers with each label. */
  readonly answers: ReadonlyMap<string, number>;
  /** Milliseconds of each answered request, with `recordLatency`. */
  readonly latencies: readonly number[];
  readonly durationMs: number;
}

/** A running load. */
export interface Load extends LoadReport {
  /** Resolves when the load has ended, by `stop` or by `maxRequests`. */
  readonly ended: Promise<LoadReport>;
  /** Waits for the requests in flight, closes every connection and leaves no timer. */
  stop(): Promise<LoadReport>;
}
