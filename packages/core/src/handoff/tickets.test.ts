import { once } from 'node:events';
import { createServer, type TlsOptions } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { type Bound, boundOf, label } from '../listen/address.js';
import { deriveTicketKeys, ticketKeysOf, useTicketKeys, watchTicketKeys } from './tickets.js';

const [own, predecessor] = [Buffer.alloc(48, 1), Buffer.alloc(48, 2)];

/** A TLS server that listens, with the keys of its predecessor. */
async function listening(options: TlsOptions = {}) {
  const server = createServer(options);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  watchTicketKeys(server);
  return { server, keys: { [label(boundOf(server) as Bound)]: predecessor.toString('base64') } };
}

test('a server gets the keys of its predecessor, and keeps them when the secret comes', async () => {
  const { server, keys } = await listening();
  useTicketKeys([server], keys);
  deriveTicketKeys([server], Buffer.alloc(32));
  server.setSecureContext({});
  expect(ticketKeysOf([{ server }])).toEqual(keys);
});

test('keys that the application has given as an option stay', async () => {
  const { server, keys } = await listening({ ticketKeys: own });
  useTicketKeys([server], keys);
  deriveTicketKeys([server], Buffer.alloc(32));
  expect(server.getTicketKeys()).toEqual(own);
});

test('keys that the application has set since its server listens stay, also with a new certificate', async () => {
  const { server, keys } = await listening();
  server.setTicketKeys(own);
  useTicketKeys([server], keys);
  deriveTicketKeys([server], Buffer.alloc(32));
  server.setSecureContext({});
  expect(server.getTicketKeys()).toEqual(own);
});

test('keys that Node.js makes for a new certificate are not those of the application', async () => {
  const { server, keys } = await listening();
  server.setSecureContext({});
  useTicketKeys([server], keys);
  expect(server.getTicketKeys()).toEqual(predecessor);
});
