import { randomBytes } from 'node:crypto';

/**
 * From this all workers derive the keys of their TLS session tickets, so that a client resumes its session on
 * whichever worker answers. It lives as long as the supervisor, and travels only over the channels.
 */
export const TICKET_SECRET = { base64: randomBytes(64).toString('base64') };
