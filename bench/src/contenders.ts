import type { Contender } from './server-process.js';

/** The servers that are compared: bare, with endless, and with what others offer for their shutdown. */
export const HTTP: Contender = { file: 'http-bare.js' };
export const HTTP_REGISTER: Contender = {
  file: 'http-bare.js',
  nodeOptions: ['--import', import.meta.resolve('@endless/core/register')],
};
export const HTTP_LISTEN: Contender = { file: 'http-listen.js' };
export const EXPRESS: Contender = { file: 'express-bare.js' };
export const EXPRESS_ENDLESS: Contender = { file: 'express-endless.js' };
export const KOA: Contender = { file: 'koa-bare.js' };
export const KOA_ENDLESS: Contender = { file: 'koa-endless.js' };
export const FASTIFY: Contender = { file: 'fastify-bare.js' };
export const FASTIFY_ENDLESS: Contender = { file: 'fastify-endless.js' };

/** Others that close a server of `node:http`, by name; each beside the same program with `endless.listen`. */
export const PEERS: readonly (readonly [name: string, contender: Contender])[] = [
  ['stoppable', { file: 'peers/stoppable.js' }],
  ['http-terminator', { file: 'peers/http-terminator.js' }],
  ['http-graceful-shutdown', { file: 'peers/http-graceful-shutdown.js' }],
  ['@godaddy/terminus', { file: 'peers/terminus.js' }],
];
export const PLAIN: Contender = { file: 'peers/plain.js' };
export const PLAIN_ENDLESS: Contender = { file: 'peers/endless.js' };
