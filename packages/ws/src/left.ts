import type { Tell } from '@endless/core';
import type { WebSocket } from 'ws';
import { controlPayloadOf, type Payload, payloadOf, reasonOf } from './payload.js';

/** One call of the application on a `WebSocket` object whose connection has moved. */
export type Deed =
  | { call: 'send'; data: Payload; options: Record<string, boolean> }
  | { call: 'ping' | 'pong'; data: Payload }
  | { call: 'close'; code: number | undefined; reason: Payload }
  | { call: 'terminate' };

type Callback = (error?: Error) => void;
type Listener = (...args: never[]) => void;

const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;
const STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];
const SEND_OPTIONS = ['binary', 'compress', 'fin', 'mask'];

/** Maximum of bytes that wait for a client that does not read: the new process keeps them in memory. */
const MOST_WAITING = 64 * 1024 * 1024;
const TRY_AGAIN_LATER = 1013;
const ABNORMAL = 1006;

/**
 * Makes an object whose connection has moved pass its calls on: the application may still hold it in the middle of an
 * answer. Removes its listeners, since its connection did not close, and emits `'moved'`. `own` are its server's
 * listeners, which get the close of the object. Returns the function to call once the connection has ended.
 */
export function leave(ws: WebSocket, own: readonly Listener[], tell: Tell): () => void {
  let state = OPEN;
  let waiting = 0;

  /** Calls back once the new process has written the bytes, as ws does; until then they count as waiting. */
  const pass = (deed: Deed, bytes = 0, callback?: Callback) => {
    waiting += bytes;
    const done = (error?: Error) => {
      waiting -= bytes;
      if (callback) process.nextTick(callback, error && notOpen(CLOSED));
    };
    if (tell(deed, done)) return;
    state = CLOSED;
    done(new Error());
  };
  const refuse = (callback?: Callback) => {
    if (callback) process.nextTick(callback, notOpen(state));
  };
  const close = (code: number | undefined, reason: Payload) => {
    state = CLOSING;
    pass({ call: 'close', code, reason });
  };
  const control = (call: 'ping' | 'pong') => ({
    configurable: true,
    value(...given: unknown[]) {
      const argument = typeof given[0] === 'function' ? undefined : given[0];
      const data = state === OPEN ? controlPayloadOf(argument) : payloadOf(argument);
      const callback = callbackIn(given);
      if (state === OPEN) pass({ call, data }, Buffer.byteLength(data), callback);
      else refuse(callback);
    },
  });

  const moved = ws.listeners('moved');
  const emit = ws.emit as (...given: unknown[]) => boolean;
  ws.removeAllListeners();
  Object.defineProperties(ws, {
    readyState: { configurable: true, get: () => state },
    bufferedAmount: { configurable: true, get: () => waiting },
    emit: {
      configurable: true,
      writable: true,
      value(...given: unknown[]) {
        if (given[0] !== 'close') return emit.apply(ws, given);
        for (const listener of own) Reflect.apply(listener, ws, given.slice(1));
        return own.length > 0;
      },
    },
    send: {
      configurable: true,
      value(given: unknown, ...rest: unknown[]) {
        const data = payloadOf(given);
        const callback = callbackIn(rest);
        if (state !== OPEN) return refuse(callback);
        if (waiting > MOST_WAITING) {
          close(TRY_AGAIN_LATER, 'the client does not read');
          return refuse(callback);
        }
        pass({ call: 'send', data, options: optionsIn(rest) }, Buffer.byteLength(data), callback);
      },
    },
    ping: control('ping'),
    pong: control('pong'),
    close: {
      configurable: true,
      value(code?: number, given?: string | Buffer) {
        if (state !== OPEN) return;
        close(code, reasonOf(code, given));
      },
    },
    terminate: {
      configurable: true,
      value() {
        if (state === CLOSED) return;
        state = CLOSING;
        pass({ call: 'terminate' });
      },
    },
  });
  for (const listener of moved) listener.call(ws);
  return () => {
    state = CLOSED;
    emit.call(ws, 'close', ABNORMAL, Buffer.alloc(0));
  };
}

/** Carries out a call that the old process passed on; resolves once its bytes are written. */
export function carryOut(ws: WebSocket, deed: Deed): Promise<void> {
  return new Promise((resolve) => {
    // A failed write never resolves: its connection has ended, and the old process gets a message of that.
    const written = (error?: Error | null) => {
      if (!error) resolve();
    };
    switch (deed.call) {
      case 'send':
        ws.send(deed.data, deed.options, written);
        break;
      case 'ping':
      case 'pong':
        ws[deed.call](deed.data, undefined, written);
        break;
      case 'close':
        ws.close(deed.code, deed.reason);
        resolve();
        break;
      case 'terminate':
        ws.terminate();
        resolve();
    }
  });
}

const notOpen = (state: number) =>
  new Error(`WebSocket is not open: readyState ${state} (${STATES[state]}); its connection has moved`);
const callbackIn = (given: readonly unknown[]) =>
  given.find((each): each is Callback => typeof each === 'function');

/** The options of `send` that ws knows, as booleans. */
function optionsIn([given]: readonly unknown[]): Record<string, boolean> {
  const options = typeof given === 'object' && given !== null ? (given as Record<string, unknown>) : {};
  return Object.fromEntries(
    SEND_OPTIONS.filter((name) => Object.hasOwn(options, name)).map((name) => [name, Boolean(options[name])]),
  );
}
