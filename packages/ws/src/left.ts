import type { Tell } from '@endless/core';
import type { WebSocket } from 'ws';

/** What is done to a WebSocket object whose connection has left. */
export type Deed =
  | { call: 'send'; data: unknown; options: object }
  | { call: 'ping' | 'pong'; data: unknown }
  | { call: 'close'; code: number | undefined; reason: string }
  | { call: 'terminate' };

type Callback = (error?: Error) => void;

const OPEN = 1;
const CLOSED = 3;

/**
 * Makes an object whose connection has left pass on what is done to it: the application may still hold it, and be in the
 * middle of an answer. Its listeners are taken off, all but `own`, so that nobody hears a close that did not happen; then it
 * emits `'moved'`.
 */
export function leave(ws: WebSocket, own: readonly ((...args: never[]) => void)[], tell: Tell): void {
  let heard = true;
  const pass = (deed: Deed, callback?: Callback) => {
    heard = tell(deed);
    const error = heard
      ? undefined
      : new Error('WebSocket is not open: its connection has moved, and ended there');
    if (callback) process.nextTick(callback, error);
  };
  const moved = ws.listeners('moved');
  ws.removeAllListeners();
  for (const listener of own) ws.on('close', listener as () => void);
  Object.defineProperties(ws, {
    readyState: { configurable: true, get: () => (heard ? OPEN : CLOSED) },
    send: {
      configurable: true,
      value(data: unknown, ...rest: unknown[]) {
        const options = typeof rest[0] === 'object' && rest[0] !== null ? rest[0] : {};
        pass({ call: 'send', data: sendable(data), options }, callbackIn(rest));
      },
    },
    ping: {
      configurable: true,
      value: (...given: unknown[]) => pass({ call: 'ping', data: dataIn(given) }, callbackIn(given)),
    },
    pong: {
      configurable: true,
      value: (...given: unknown[]) => pass({ call: 'pong', data: dataIn(given) }, callbackIn(given)),
    },
    close: {
      configurable: true,
      value(code?: number, reason: string | Buffer = '') {
        pass({ call: 'close', code, reason: String(reason) });
      },
    },
    terminate: { configurable: true, value: () => pass({ call: 'terminate' }) },
  });
  for (const listener of moved) listener.call(ws);
}

/** Does to a connection here what was done to it where it was before. */
export function carryOut(ws: WebSocket, deed: Deed): void {
  switch (deed.call) {
    case 'send':
      ws.send(deed.data as Buffer, deed.options);
      break;
    case 'ping':
    case 'pong':
      ws[deed.call](deed.data);
      break;
    case 'close':
      ws.close(deed.code, deed.reason);
      break;
    case 'terminate':
      ws.terminate();
  }
}

/** As ws takes it; a `Blob` can be read only later, when others may have been sent. */
function sendable(data: unknown): unknown {
  if (data instanceof Blob)
    throw new TypeError('A Blob cannot be sent on a WebSocket that has moved: send its bytes.');
  return typeof data === 'number' ? String(data) : data;
}

const callbackIn = (given: readonly unknown[]) =>
  given.find((each): each is Callback => typeof each === 'function');
const dataIn = ([data]: readonly unknown[]) => (typeof data === 'function' ? undefined : data);
