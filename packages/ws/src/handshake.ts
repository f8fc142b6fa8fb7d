import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** The request of a handshake, as the old process sends it. */
export interface HandshakeRequest {
  method: string;
  url: string;
  httpVersionMajor: number;
  httpVersionMinor: number;
  headers: IncomingMessage['headers'];
  rawHeaders: string[];
}

/** The subprotocol and the extensions on which a handshake agreed, as its answer names them. */
export type Agreement = Record<'protocol' | 'extensions', string | undefined>;

/** The parts of a request that another process needs, without what the application adds to it later. */
export function travelling(request: IncomingMessage): HandshakeRequest {
  const { method = 'GET', url = '/', httpVersionMajor, httpVersionMinor } = request;
  const [headers, rawHeaders] = [{ ...request.headers }, [...request.rawHeaders]];
  return { method, url, httpVersionMajor, httpVersionMinor, headers, rawHeaders };
}

/** Makes the request again, on its socket in this process. */
export function requestOn(socket: Socket, travelled: HandshakeRequest): IncomingMessage {
  const { httpVersionMajor, httpVersionMinor } = travelled;
  return Object.assign(new IncomingMessage(socket), travelled, {
    httpVersion: `${httpVersionMajor}.${httpVersionMinor}`,
    complete: true,
  });
}

/** Reads from the header lines of an answer what the handshake agreed on. */
export function agreementIn(lines: readonly string[]): Agreement {
  const value = (name: string) =>
    lines
      .find((line) => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  return { protocol: value('sec-websocket-protocol'), extensions: value('sec-websocket-extensions') };
}

/**
 * Whether a connection has no compression state, which cannot move: both sides compress each message on its own, or
 * nothing at all.
 */
export function carriesNoContext({ extensions }: Agreement): boolean {
  return (
    extensions === undefined ||
    (extensions.includes('server_no_context_takeover') && extensions.includes('client_no_context_takeover'))
  );
}

/**
 * Withholds the answer to a repeated handshake, since the client has it already. Anything else that the server writes
 * first is a refusal: it is withheld too, and `onRefused` runs.
 */
export function withholdAnswer(socket: Socket, onRefused: () => void): void {
  const restore = () => {
    for (const name of ['write', 'end', 'destroy'] as const) Reflect.deleteProperty(socket, name);
  };
  const answer = (chunk: unknown) => {
    restore();
    if (!String(chunk).startsWith('HTTP/1.1 101 ')) onRefused();
    return true;
  };
  const refuse = () => {
    restore();
    onRefused();
    return socket;
  };
  Object.assign(socket, { write: answer, end: refuse, destroy: refuse });
}

const CLOSE = 0x88;

/** Closes a connection that has no `WebSocket` object: writes the close frame itself. */
export function closeRaw(socket: Socket, code: number): void {
  socket.end(Buffer.from([CLOSE, 2, code >> 8, code & 0xff]));
  socket.resume();
}
