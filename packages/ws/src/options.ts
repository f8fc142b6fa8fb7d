import type { IncomingMessage } from 'node:http';
import type { Server } from 'node:net';
import { EndlessError } from '@endless/core';
import type { WebSocket } from 'ws';

/** What `save` returns for a connection that must not move now; it is asked again. */
export const stay: unique symbol = Symbol('@endless/ws stay');

/** How the connections of a `WebSocketServer` move: with `save` and `restore`, or `stateless`; with neither they do not. */
export interface WebSocketsOptions<State> {
  /**
   * What the application knows of this connection, for the new process: anything that can be cloned. Called at the moment at
   * which it leaves. `stay`: not now. A throw: not at all.
   */
  save?(ws: WebSocket, request: IncomingMessage): State | typeof stay;
  /** Takes it, before the handlers of `'connection'` run; they also get it as their third argument. */
  restore?(ws: WebSocket, state: State, request: IncomingMessage): unknown;
  /** Nothing has to be saved: from the request alone the handlers of `'connection'` make a connection what it was. */
  stateless?: boolean;
  /** By which both processes know this server. Default: its `path`, or `''`. */
  name?: string;
  /** The HTTP server whose `'upgrade'` moved connections go through again; default: straight to `'connection'`. */
  through?: Server;
  /** Milliseconds over which the closes of connections that cannot move are spread. Default 5000. */
  closeWithin?: number;
}

/** Why connections do not move of which nothing is said. */
export const UNSAID =
  'they are closed with 1012. To let them move, give `endlessWebSockets` `save` and `restore`, or `stateless: true` where the request alone rebuilds a connection.';

/** Whether it is said how the connections become what they were. */
export function moves({ save, restore, stateless }: WebSocketsOptions<never>): boolean {
  return stateless === true || save !== undefined || restore !== undefined;
}

/** Refuses options that are wrong or contradict each other with `ERR_ENDLESS_INVALID_OPTION`. */
export function checkOptions(options: WebSocketsOptions<never>): void {
  const refuse = (why: string) => {
    throw new EndlessError('ERR_ENDLESS_INVALID_OPTION', `endlessWebSockets: ${why}.`);
  };
  const { save, restore, stateless } = options;
  for (const [name, value] of Object.entries({ save, restore }))
    if (value !== undefined && typeof value !== 'function') refuse(`\`${name}\` must be a function`);
  if (stateless !== undefined && typeof stateless !== 'boolean') refuse('`stateless` must be true or false');
  if (stateless && (save || restore))
    refuse('`stateless: true` says that there is nothing to `save` or `restore`: leave one of them out');
}
