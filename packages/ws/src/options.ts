import type { IncomingMessage } from 'node:http';
import type { Server } from 'node:net';
import { EndlessError } from '@endless/core';
import type { WebSocket } from 'ws';

/** `save` returns this for a connection that must not move now; endless calls it again later. */
export const stay: unique symbol = Symbol('@endless/ws stay');

/** How the connections of a `WebSocketServer` move: with `save` and `restore`, or `stateless`; without them, they do not. */
export interface WebSocketsOptions<State> {
  /**
   * Returns the application's state of this connection, for the new process: anything that can be cloned. Runs at the
   * moment of the move. `stay` delays the move; a throw prevents it.
   */
  save?(ws: WebSocket, request: IncomingMessage): State | typeof stay;
  /** Gets that state before the handlers of `'connection'` run; they get it as their third argument. */
  restore?(ws: WebSocket, state: State, request: IncomingMessage): unknown;
  /** Declares that there is no state to save: the handlers of `'connection'` rebuild a connection from its request alone. */
  stateless?: boolean;
  /** Names this server in both processes. Default: its `path`, or `''`. */
  name?: string;
  /** The HTTP server that emits `'upgrade'` again for each moved connection. Default: only `'connection'` is emitted. */
  through?: Server;
  /** Milliseconds over which the closes of connections that cannot move are spread. Default 5000. */
  closeWithin?: number;
}

/** The log's reason why connections without `save`, `restore` and `stateless` do not move. */
export const UNSAID =
  'they are closed with 1012. To let them move, give `endlessWebSockets` `save` and `restore`, or `stateless: true` where the request alone rebuilds a connection.';

/** Whether the options tell how the new process rebuilds a connection. */
export function moves({ save, restore, stateless }: WebSocketsOptions<never>): boolean {
  return stateless === true || save !== undefined || restore !== undefined;
}

/** Throws `ERR_ENDLESS_INVALID_OPTION` for options that are invalid or contradict each other. */
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
