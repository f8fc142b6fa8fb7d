import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { endless, type Leaving } from '@endless/core';
import type { ServerOptions, WebSocket, WebSocketServer } from 'ws';
import {
  type Agreement,
  agreementIn,
  carriesNoContext,
  closeRaw,
  type HandshakeRequest,
  requestOn,
  travelling,
  withholdAnswer,
} from './handshake.js';
import { isKnown, nothingToSend, undelivered } from './internals.js';
import { carryOut, type Deed, leave } from './left.js';
import { checkOptions, moves, stay, UNSAID, type WebSocketsOptions } from './options.js';

/** What the old process sends with a connection. */
interface Travelled {
  request: HandshakeRequest;
  agreed: Agreement;
  state: unknown;
}

/** A connection in this process. */
interface Known {
  ws: WebSocket;
  request: IncomingMessage;
  /** The request before the application could change it. */
  original: HandshakeRequest;
  agreed: Agreement;
  /** The server's own listeners of `'close'`, added before those of the application. */
  own: ((...args: never[]) => void)[];
}

const SERVICE_RESTART = 1012;
const GOING_AWAY = 1001;
const EMPTY = Buffer.alloc(0);

/**
 * Keeps the WebSockets of this server over restarts: each moves to the new process at a moment that its client does not
 * notice. A restart closes those that cannot move with 1012, and a shutdown closes all with 1001.
 */
export function endlessWebSockets<State = undefined>(
  wss: WebSocketServer,
  options: WebSocketsOptions<State> = {},
): void {
  checkOptions(options as WebSocketsOptions<never>);
  const known = new WeakMap<Socket, Known>();
  const arriving = new WeakMap<IncomingMessage, { travelled: Travelled; failed: (error: unknown) => void }>();
  const agreements = new WeakMap<IncomingMessage, Agreement>();
  /** The calls passed on for a connection whose handshake is not repeated yet. */
  const early = new WeakMap<Socket, (() => void)[]>();
  const originals = new WeakMap<IncomingMessage, HandshakeRequest>();
  let checked = false;

  const sockets = endless.protocol<Travelled>(nameOf(options.name ?? wss.options.path ?? ''), {
    save: (socket) => save(socket),
    restore: (socket, travelled) => restore(socket, travelled),
    told(socket, word) {
      const connection = known.get(socket);
      if (connection) return carryOut(connection.ws, word as Deed);
      return new Promise<void>((resolve) =>
        early.get(socket)?.push(() => {
          const { ws } = known.get(socket) as Known;
          resolve(carryOut(ws, word as Deed));
        }),
      );
    },
    end(socket, reason) {
      const code = reason === 'restart' ? SERVICE_RESTART : GOING_AWAY;
      const connection = known.get(socket);
      if (connection) connection.ws.close(code, reason === 'restart' ? 'service restart' : 'going away');
      else closeRaw(socket, code);
    },
    ...(options.closeWithin !== undefined && { endWithin: options.closeWithin }),
    ...(!moves(options as WebSocketsOptions<never>) && { stays: UNSAID }),
  });

  wss.on('headers', (lines, request) => {
    agreements.set(request, agreementIn(lines));
    // The application may have added a listener before this one.
    if (wss.listeners('connection')[0] !== meet)
      wss.off('connection', meet).prependListener('connection', meet);
  });
  wss.prependListener('connection', meet);
  wss.once('close', () => sockets.close());
  // The listeners of `'upgrade'` get the request again, so it must be unchanged.
  options.through?.prependListener('upgrade', (request: IncomingMessage) =>
    originals.set(request, travelling(request)),
  );

  function meet(ws: WebSocket, request: IncomingMessage): void {
    const { socket } = request;
    const agreed = agreements.get(request);
    if (!socket || !agreed) return;
    if (!checked && !isKnown(ws))
      process.emitWarning(
        'This version of ws has internals that endless does not know: its connections do not move, and are closed with 1012 on a restart.',
        'EndlessWarning',
      );
    checked = true;
    const original = originals.get(request) ?? travelling(request);
    known.set(socket, { ws, request, original, agreed, own: ws.listeners('close') as Known['own'] });
    sockets.add(socket);
    const arrived = arriving.get(request);
    if (!arrived) return;
    arriving.delete(request);
    const { travelled, failed } = arrived;
    try {
      void Promise.resolve(options.restore?.(ws, travelled.state as State, request)).catch(failed);
    } catch (error) {
      failed(error);
      // The handlers of `'connection'` must not get it without its state; with `through`, this throw would stay uncaught.
      if (!options.through) throw error;
    }
    for (const carry of early.get(socket) ?? []) carry();
    early.delete(socket);
  }

  function save(socket: Socket): Leaving<Travelled> | 'later' | 'never' {
    const connection = known.get(socket);
    if (!connection) return 'later';
    const { ws, request, original, agreed, own } = connection;
    if (!isKnown(ws) || !carriesNoContext(agreed)) return 'never';
    if (ws.readyState !== ws.OPEN || !nothingToSend(ws)) return 'later';
    const unread = undelivered(ws);
    if (!unread) return 'later';
    const state = options.save?.(ws, request);
    if (state === stay) return 'later';
    if (state instanceof Promise) {
      state.catch(() => {});
      throw new TypeError('`save` returned a promise, but must return its result at once');
    }
    let ended = () => {};
    return {
      state: { request: original, agreed, state },
      unread,
      left(tell) {
        wss.clients?.delete(ws);
        ended = leave(ws, own, tell);
      },
      ended: () => ended(),
    };
  }

  /**
   * Repeats the handshake, so that ws makes this connection as any other; its answer is not written again. The promise
   * rejects when the application's `restore` fails.
   */
  function restore(socket: Socket, travelled: Travelled): Promise<void> {
    return new Promise((_resolve, failed) => {
      const request = requestOn(socket, travelled.request);
      arriving.set(request, { travelled, failed });
      early.set(socket, []);
      withholdAnswer(socket, () => closeRaw(socket, SERVICE_RESTART));
      if (options.through) {
        if (!options.through.emit('upgrade', request, socket, EMPTY)) socket.destroy();
        return;
      }
      settled(wss, travelled.agreed).handleUpgrade(request, socket, EMPTY, (ws) => {
        if (sameAgreement(agreements.get(request), travelled.agreed))
          wss.emit('connection', ws, request, travelled.state);
        else ws.close(SERVICE_RESTART, 'service restart');
      });
    });
  }
}

/** The server for a repeated handshake: it asks neither `verifyClient` nor for a subprotocol again. */
function settled(wss: WebSocketServer, agreed: Agreement): WebSocketServer {
  const options: ServerOptions = {
    ...wss.options,
    verifyClient: undefined as never,
    handleProtocols: () => agreed.protocol ?? false,
    perMessageDeflate: agreed.extensions === undefined ? false : (wss.options.perMessageDeflate ?? false),
  };
  return new Proxy(wss, {
    get: (target, name) => (name === 'options' ? options : Reflect.get(target, name)),
  });
}

/** The name of a server in both processes, also where it has none of its own. */
const nameOf = (name: string) => (name === '' ? 'ws' : `ws:${name}`);

function sameAgreement(one: Agreement | undefined, other: Agreement): boolean {
  return one?.protocol === other.protocol && one?.extensions === other.extensions;
}
