import type { TrackedServer } from '../connections/tracked-server.js';
import { label } from '../listen/address.js';
import type { SocketDestination } from './crossing.js';
import type { Destination } from './mover.js';
import type { SlowStart } from './slow-start.js';

/** Where live connections move in a restart. */
export interface Target {
  successor: Destination & SocketDestination & { keeps(address: string): boolean };
  /** How fast they may move. */
  slowStart: SlowStart;
  /** Labels of the addresses that the successor serves. */
  handed: ReadonlySet<string>;
}

/** Whether the successor serves the address of this server from now on, and takes its connections. */
export function takes({ successor, handed }: Target, { bound }: TrackedServer): boolean {
  const address = bound && label(bound);
  return address !== undefined && handed.has(address) && !successor.keeps(address);
}
