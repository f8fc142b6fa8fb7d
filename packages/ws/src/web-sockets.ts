import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
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

/** What `save` returns for a connection that must not move now; it is asked again. */
export const stay: unique symbol = Symbol('@endless/ws stay');

/** How the connections of a `WebSocketServer` move. */
export interface WebSocketsOptions<State> {
  /**
   * What the application knows of this connection, for the new process: anything that can be cloned. Called at the moment at
   * which it leaves. `stay`: not now. A throw: not at all.
   */
  save?(ws: WebSocket, request: IncomingMessage): State | typeof stay;
  /** Takes it, before the handlers of `'connection'` run; they also get it as their third argument. */
  restore?(ws: WebSocket, state: State, request: IncomingMessage): void;
  /** By which both processes know this server. Default: its `path`, or `''`. */
  name?: string;
  /** The HTTP server whose `'upgrade'` moved connections go through again; default: straight to `'connection'`. */
  through?: Server;
  /** Milliseconds over which the closes of connections that cannot move are spread. Default 5000. */
  closeWithin?: number;
}

/** What the old process tells of a connection. */
interface Travelled {
  request: HandshakeRequest;
  agreed: Agreement;
  state: unknown;
}

/** A connection that is here. */
interface Known {
  ws: WebSocket;
  request: IncomingMessage;
  agreed: Agreement;
  /** The listeners of `'close'` that were there before the application's: the server's own. */
  own: ((...args: never[]) => void)[];
}

const SERVICE_RESTART = 1012;
const GOING_AWAY = 1001;
const EMPTY = Buffer.alloc(0);

/**
 * Lets the WebSockets of this server live through restarts: each moves to the new process at a moment when that can be done
 * without its client noticing. One that cannot move is closed with 1012 on a restart, and each with 1001 on a shutdown.
 */
export function endlessWebSockets<State = undefined>(
  wss: WebSocketServer,
  options: WebSocketsOptions<State> = {},
): void {
  const known = new WeakMap<Socket, Known>();
  const arriving = new WeakMap<IncomingMessage, Travelled>();
  const agreements = new WeakMap<IncomingMessage, Agreement>();
  /** What was said of a connection whose handshake is not repeated yet. */
  const early = new WeakMap<Socket, Deed[]>();
  let checked = false;

  const sockets = endless.protocol<Travelled>(`ws:${options.name ?? wss.options.path ?? ''}`, {
    save: (socket) => save(socket),
    restore: (socket, travelled) => restore(socket, travelled),
    told(socket, word) {
      const connection = known.get(socket);
      if (connection) carryOut(connection.ws, word as Deed);
      else early.get(socket)?.push(word as Deed);
    },
    end(socket, reason) {
      const code = reason === 'restart' ? SERVICE_RESTART : GOING_AWAY;
      const connection = known.get(socket);
      if (connection) connection.ws.close(code, reason === 'restart' ? 'service restart' : 'going away');
      else closeRaw(socket, code);
    },
    ...(options.closeWithin === undefined ? {} : { endWithin: options.closeWithin }),
  });

  wss.on('headers', (lines, request) => agreements.set(request, agreementIn(lines)));
  wss.prependListener('connection', (ws, request) => meet(ws, request));
  wss.once('close', () => sockets.close());

  function meet(ws: WebSocket, request: IncomingMessage): void {
    const { socket } = request;
    const agreed = agreements.get(request);
    if (!socket || !agreed) return;
    if (!checked && !isKnown(ws))
      process.emitWarning(
        'This version of ws is made differently: its connections do not move, and are closed with 1012 on a restart.',
        'EndlessWarning',
      );
    checked = true;
    known.set(socket, { ws, request, agreed, own: ws.listeners('close') as Known['own'] });
    sockets.add(socket);
    const travelled = arriving.get(request);
    if (!travelled) return;
    arriving.delete(request);
    options.restore?.(ws, travelled.state as State, request);
    for (const deed of early.get(socket) ?? []) carryOut(ws, deed);
    early.delete(socket);
  }

  function save(socket: Socket): Leaving<Travelled> | 'later' | 'never' {
    const connection = known.get(socket);
    if (!connection) return 'later';
    const { ws, request, agreed, own } = connection;
    if (!isKnown(ws) || !carriesNoContext(agreed)) return 'never';
    if (ws.readyState !== ws.OPEN || !nothingToSend(ws)) return 'later';
    const unread = undelivered(ws);
    if (!unread) return 'later';
    const state = options.save?.(ws, request);
    if (state === stay) return 'later';
    return {
      state: { request: travelling(request), agreed, state },
      unread,
      left(tell) {
        wss.clients?.delete(ws);
        leave(ws, own, tell);
      },
    };
  }

  /** Repeats the handshake, so that ws makes the connection as it makes every other; its answer is not written again. */
  function restore(socket: Socket, travelled: Travelled): void {
    const request = requestOn(socket, travelled.request);
    arriving.set(request, travelled);
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
  }
}

/** The server, for a handshake whose questions were answered before: who may come in, and with which subprotocol. */
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

function sameAgreement(one: Agreement | undefined, other: Agreement): boolean {
  return one?.protocol === other.protocol && one?.extensions === other.extensions;
}
