import { createServer as createHttp, type Server as HttpServer } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { connect, createServer as createNet, type Server } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { AppClose } from './app-close.js';

const KINDS: Record<string, () => Server> = {
  net: () => createNet((socket) => socket.on('error', () => {})),
  http: () => createHttp(),
  http2: () => createHttp2() as unknown as Server,
};

/** A server with one connection; `said` lists the calls of its callbacks and its events, in order. */
async function open(kind: string) {
  const server = (KINDS[kind] as () => Server)();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const state = { mustWait: false };
  const appClose = new AppClose(server, () => state.mustWait);
  const accepted = new Promise((resolve) => server.once('connection', resolve));
  const { port } = server.address() as { port: number };
  const client = connect(port, '127.0.0.1').on('error', () => {});
  await accepted;
  onTestFinished(() => {
    client.destroy();
    if (server.listening) server.close();
  });
  const said: string[] = [];
  const callback = (name: string) => (error?: Error & { code?: string }) =>
    said.push(`${name} ${error?.code ?? 'fine'}`);
  server.on('close', () => said.push('close'));
  const connections = () => promisify(server.getConnections.bind(server))();
  const refused = () =>
    new Promise<boolean>((resolve) => {
      const other = connect(port, '127.0.0.1');
      other.once('error', () => resolve(true));
      other.once('connect', () => resolve(Boolean(other.destroy() && false)));
    });
  return { server, appClose, state, client, said, callback, connections, refused };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 50));

describe.each(Object.keys(KINDS))('a server of node:%s that endless has stopped from accepting', (kind) => {
  test('looks open to the application, and refuses connections', async () => {
    const { server, appClose, connections, refused } = await open(kind);
    const address = server.address();
    appClose.stopAccepting();
    expect([server.listening, server.address(), await connections()]).toEqual([true, address, 1]);
    expect(await refused()).toBe(true);
  });

  test('calls back without an error once its connections are gone, and only the first time', async () => {
    const { server, appClose, client, said, callback } = await open(kind);
    appClose.stopAccepting();
    server.close(callback('first'));
    server.close(callback('second'));
    expect(server.listening).toBe(false);
    await settled();
    if (kind !== 'http') expect(said).toEqual([]);
    client.destroy();
    await settled();
    expect(said[0]).toBe('close');
    // Node.js emits 'close' once more if the first close has left no connection for the second.
    expect(said.filter((word) => word !== 'close')).toEqual(['first fine', 'second ERR_SERVER_NOT_RUNNING']);
  });

  test('calls back without an error also after endless has ended it', async () => {
    const { server, appClose, client, said, callback } = await open(kind);
    appClose.stopAccepting();
    client.destroy();
    await settled();
    appClose.release();
    await settled();
    expect([server.listening, ...said]).toEqual([false, 'close']);
    server.close(callback('first'));
    server.close(callback('second'));
    await settled();
    expect(said.slice(0, 2)).toEqual(['close', 'first fine']);
    expect(said.at(-1)).toBe('second ERR_SERVER_NOT_RUNNING');
  });

  test('can be disposed of, and the promise resolves when its connections are gone', async () => {
    const { server, appClose, client } = await open(kind);
    const dispose = server[Symbol.asyncDispose].bind(server);
    appClose.stopAccepting();
    const disposed = dispose();
    setTimeout(() => client.destroy(), 30);
    await disposed;
    expect(server.listening).toBe(false);
  });
});

describe.each(Object.keys(KINDS))('a close of a server of node:%s that has to wait', (kind) => {
  test('leaves it open until it is resumed, and looks done to the application', async () => {
    const { server, appClose, state, client, said, callback, refused } = await open(kind);
    state.mustWait = true;
    expect(server.close(callback('first'))).toBe(server);
    server.close(callback('second'));
    expect([server.listening, await refused(), ...said]).toEqual([false, false]);
    state.mustWait = false;
    client.destroy();
    await settled();
    appClose.resume();
    expect(await refused()).toBe(true);
    await settled();
    // Node.js itself emits 'close' once more for the second call.
    expect(said.filter((word) => word !== 'close')).toEqual(['first fine', 'second ERR_SERVER_NOT_RUNNING']);
    expect(said[0]).toBe('close');
  });
});

test('a server that endless does not stop closes as in bare Node, and loses every property of endless', async () => {
  const { server, appClose, said, callback, refused } = await open('http');
  appClose.forget();
  expect(Object.keys(Object.getOwnPropertyDescriptors(server))).not.toContain('listening');
  expect(Object.hasOwn(server, 'close')).toBe(false);
  const again = new AppClose(server, () => false);
  (server as HttpServer).closeAllConnections();
  server.close(callback('first'));
  expect([server.listening, await refused()]).toEqual([false, true]);
  await settled();
  expect(said).toEqual(['close', 'first fine']);
  again.release();
});

test('what another library has put in the place of `close` is called, and stays', async () => {
  const { server, appClose, said } = await open('http');
  appClose.forget();
  const close = server.close;
  server.close = function (this: Server, ...args: [] | [() => void]) {
    said.push('library');
    return close.apply(this, args);
  };
  const own = server.close;
  const guarded = new AppClose(server, () => false);
  server.close();
  expect(said).toContain('library');
  guarded.forget();
  expect(server.close).toBe(own);
});
