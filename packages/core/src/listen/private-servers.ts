import type { Server } from 'node:net';

/** Servers of endless itself: it neither hands them over nor drains them. */
export const privateServers = new WeakSet<Server>();
