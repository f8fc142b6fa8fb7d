import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** The request of a handshake, as it travels. */
export interface HandshakeRequest {
  method: string;
  url: string;
  httpVersionMajor: number;
  httpVersionMinor: number;
  headers: IncomingMessage['headers'];
  rawHeaders: string[];
}

/** What a handshake agreed on, as it stands in the answer: subprotocol and extensions. */
export type Agreement = Record<'protocol' | 'extensions', string | undefined>;

/** What another process needs to know of a request, apart from what the application makes of it later. */
export function travelling(request: IncomingMessage): HandshakeRequest {
  const { method = 'GET', url = '/', httpVersionMajor, httpVersionMinor } = request;
  const [headers, rawHeaders] = [{ ...request.headers }, [...request.rawHeaders]];
  return { method, url, httpVersionMajor, httpVersionMinor, headers, rawHeaders };
}

/** The request again, on the socket as it is now. */
export function requestOn(socket: Socket, travelled: HandshakeRequest): IncomingMessage {
  const { httpVersionMajor, httpVersionMinor } = travelled;
  return Object.assign(new IncomingMessage(socket), travelled, {
    httpVersion: `${httpVersionMajor}.${httpVersionMinor}`,
    complete: true,
  });
}

/** What the lines of an answer agree on. */
export function agreementIn(lines: readonly string[]): Agreement {
  const value = (name: string) =>
    lines
      .find((line) => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  return { protocol: value('sec-websocket-protocol'), extensions: value('sec-websocket-extensions') };
}

/**
 * Whether both sides compress each message on its own: then no compression state has to move, and none cannot. Also true
 * where nothing is compressed.
 */
export function carriesNoContext({ extensions }: Agreement): boolean {
  return (
    extensions === undefined ||
    (extensions.includes('server_no_context_takeover') && extensions.includes('client_no_context_takeover'))
  );
}

/**
 * Keeps the answer to a handshake that the client has had already from being written again. Anything else that is written
 * first is a refusal: it is not written either, and `onRefused` is called.
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

/** Closes a WebSocket for which nobody has a `WebSocket`: writes the close frame itself. */
export function closeRaw(socket: Socket, code: number): void {
  socket.end(Buffer.from([CLOSE, 2, code >> 8, code & 0xff]));
  socket.resume();
}
