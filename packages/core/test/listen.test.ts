import { copyFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { describe, rowsOf, rowTest, test } from '@endless/conformance';
import { endless } from '@endless/core';
import { get, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, hup, serve, temporaryFolder } from './program.js';

/** Asks once, on a connection of its own, in the way that this kind of server speaks. */
type Ask = (port: number, target: string) => Promise<string>;

const HOST = '127.0.0.1';
const TIMEOUT = 10_000;

const askHttp: Ask = (port, target) => get({ port, path: target, timeout: TIMEOUT }).then(({ body }) => body);

const askHttps: Ask = (port, target) =>
  new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT);
    https
      .get(
        { host: HOST, port, path: target, agent: false, rejectUnauthorized: false, signal },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (text) => {
            body += text;
          });
          response.on('end', () => resolve(body)).on('error', reject);
        },
      )
      .on('error', reject);
  });

const askHttp2 =
  (scheme: 'http' | 'https'): Ask =>
  (port, target) =>
    new Promise((resolve, reject) => {
      const session = http2.connect(`${scheme}://${HOST}:${port}`, { rejectUnauthorized: false });
      const timer = setTimeout(() => session.destroy(new Error('no answer in time')), TIMEOUT);
      const settle = (act: () => void) => {
        clearTimeout(timer);
        session.close();
        act();
      };
      session.on('error', (error) => settle(() => reject(error)));
      const stream = session.request({ ':path': target });
      let body = '';
      stream.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      stream.on('end', () => settle(() => resolve(body))).on('error', (error) => settle(() => reject(error)));
    });

const askLine: Ask = (port, target) =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: HOST }, () => socket.write(`${target}\n`));
    socket.setTimeout(TIMEOUT, () => socket.destroy(new Error('no answer in time')));
    let line = '';
    socket.setEncoding('utf8').on('data', (text) => {
      line += text;
    });
    socket.on('end', () => resolve(line)).on('error', reject);
  });

interface Kind {
  ask: Ask;
  /** The text before the generation in its answers. */
  speaks: string;
  /** Whether `listen` was given the server that it resolves with. */
  ready?: true;
}

const KINDS: Record<string, Kind> = {
  'a request listener': { ask: askHttp, speaks: 'HTTP/1.1' },
  'an http server': { ask: askHttp, speaks: 'HTTP/1.1', ready: true },
  'an https server': { ask: askHttps, speaks: 'HTTP/1.1', ready: true },
  'an http2 server': { ask: askHttp2('http'), speaks: 'HTTP/2.0', ready: true },
  'a secure http2 server': { ask: askHttp2('https'), speaks: 'HTTP/2.0', ready: true },
  'a net server': { ask: askLine, speaks: 'line', ready: true },
  "a request listener with Node's `tls` options": { ask: askHttps, speaks: 'HTTP/1.1' },
  'a request listener with `tls: { certFile, keyFile }`': { ask: askHttps, speaks: 'HTTP/1.1' },
  'a request listener with `http2`': { ask: askHttp2('http'), speaks: 'HTTP/2.0' },
  'a request listener with `http2` and `tls`': { ask: askHttp2('https'), speaks: 'HTTP/2.0' },
};

/** Each protocol once, made by the program and made by endless: the others differ in how their parts are put together. */
const TELLING = [
  'an http server',
  'a secure http2 server',
  'a net server',
  'a request listener',
  'a request listener with `tls: { certFile, keyFile }`',
  'a request listener with `http2`',
];

function serveKind(kind: string, tlsFolder = certificates('first')) {
  return serve('kinds.mjs', {}, { env: { KIND: kind, TLS_FOLDER: tlsFolder } });
}

/** A folder with a certificate and its key, as a certificate tool leaves them. */
function certificates(name: 'first' | 'second', folder = temporaryFolder()): string {
  for (const part of ['cert', 'key'])
    copyFileSync(fixture(`tls/${name}.${part}.pem`), path.join(folder, `${part}.pem`));
  return folder;
}

describe('`endless.listen` resolves with the listening server, and a restart finishes what is in flight, for', () => {
  for (const [kind, { ask, speaks, ready = false }] of rowsOf(Object.entries(KINDS), ([kind]) =>
    TELLING.includes(kind),
  ))
    rowTest(kind, async () => {
      const { program, port } = await serveKind(kind);
      expect(program.stdout).toContain(`resolved true ${port} ${ready}\n`);
      expect(await ask(port, '/')).toBe(`${speaks} generation 0`);
      const slow = ask(port, '/slow');
      await program.waitFor(`in flight ${program.pid}`);
      await hup(program);
      expect(await ask(port, '/')).toBe(`${speaks} generation 1`);
      expect(await slow).toBe(`${speaks} generation 0`);
      await program.waitForPids(1);
      expect(program.stderr).not.toContain('Hammer');
    });
});

describe('TLS', () => {
  test('files are read again by each generation', async () => {
    const folder = certificates('first');
    const { program, port } = await serveKind('a request listener with `tls: { certFile, keyFile }`', folder);
    expect(await certificateOf(port)).toBe('first.test');
    certificates('second', folder);
    expect(await certificateOf(port)).toBe('first.test');
    await hup(program);
    expect(await certificateOf(port)).toBe('second.test');
  });

  test('with `http2` serves HTTP/1.1 to a client that speaks nothing else, over a restart', async () => {
    const { program, port } = await serveKind('a request listener with `http2` and `tls`');
    expect(await askHttps(port, '/')).toBe('HTTP/1.1 generation 0');
    const slow = askHttps(port, '/slow');
    await program.waitFor(`in flight ${program.pid}`);
    await hup(program);
    expect(await slow).toBe('HTTP/1.1 generation 0');
    expect(await askHttps(port, '/')).toBe('HTTP/1.1 generation 1');
    expect(await askHttp2('https')(port, '/')).toBe('HTTP/2.0 generation 1');
  });
});

/** The name in the certificate that a server shows. */
function certificateOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port, host: HOST, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

test('`endless.listen` rejects with the bind error, and the same server may try again', async () => {
  const program = startProgram(fixture('taken.mjs'));
  onTestFinished(() => program.stop());
  expect(await program.exited).toEqual({ code: 0, signal: null });
  expect(program.stdout.split('\n')).toEqual([
    'rejected EADDRINUSE listen true',
    'then true',
    'again ERR_SERVER_ALREADY_LISTEN',
    // A listener that stayed would swallow later errors of the server.
    'error listeners 0',
    '',
  ]);
});

test('`app.listen` without `endless.listen` is enough once `endless.hook` was called', async () => {
  const { program, port } = await serve('hooked.mjs');
  expect((await get({ port })).body).toBe('generation 0');
  program.signal('SIGHUP');
  const [, pid] = await program.waitFor(/listening (\d+) 1/);
  await program.waitFor(`pid ${pid}, generation 1, has taken over.`);
  expect((await get({ port })).body).toBe('generation 1');
  await program.waitFor(`after SIGHUP ${program.pid}`);
  expect(await program.waitForPids(1)).toEqual([Number(pid)]);
});

test('a signal that is on its way while `endless.hook` is called is not lost', async () => {
  const { program, port } = await serve('underway.mjs');
  expect((await get({ port })).body).toBe('generation 0');
  await program.waitFor(`before SIGHUP ${program.pid}`, { timeout: 5_000 });
  await program.waitFor(/listening \d+ 1/);
});

describe('`endless.listen` refuses', () => {
  const app = () => {};
  /** The arguments, as a program in JavaScript may give them. */
  const refused = (...given: unknown[]): Promise<unknown> =>
    Reflect.apply(endless.listen, endless, given) as Promise<unknown>;

  const ADDRESSES = {
    undefined: undefined,
    'a word': 'here',
    'an invalid port': 65_536,
    'half a port': 80.5,
    'a negative port': -1,
    'a port in letters': 'localhost:http',
    'IPv6 without brackets': '::1:9090',
    'brackets around something else': '[localhost]:9090',
    'a unix socket without a path': 'unix:',
    'a port and a path': { port: 1, path: '/a' },
    'neither port nor path': { host: 'localhost' },
    'an empty path': { path: '' },
    null: null,
    'an empty text': '',
  };
  for (const [name, address] of Object.entries(ADDRESSES))
    test(`the address: ${name}`, async () => {
      const error = await refused(app, address).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: 'EndlessError', code: 'ERR_ENDLESS_INVALID_ADDRESS' });
      const shown = address === undefined ? 'undefined' : JSON.stringify(address);
      expect((error as Error).message).toContain(`Cannot listen on ${shown}: `);
      expect((error as Error).message).toContain("Use 9090, ':9090', 'localhost:4242'");
    });

  const OPTIONS: Record<string, { option: string; given: object; received: string }> = {
    'a negative readTimeout': { option: 'readTimeout', given: { readTimeout: -1 }, received: '-1' },
    'a readTimeout of 0': { option: 'readTimeout', given: { readTimeout: 0 }, received: '0' },
    'a writeTimeout in words': { option: 'writeTimeout', given: { writeTimeout: '5s' }, received: '"5s"' },
    'an endless writeTimeout': {
      option: 'writeTimeout',
      given: { writeTimeout: Number.POSITIVE_INFINITY },
      received: 'Infinity',
    },
    'half a byte': { option: 'maxHeaderBytes', given: { maxHeaderBytes: 1.5 }, received: '1.5' },
    'tls: true': { option: 'tls', given: { tls: true }, received: 'true' },
    'http2 in words': { option: 'http2', given: { http2: 'yes' }, received: '"yes"' },
    'a beforeBegin that is not a function': {
      option: 'beforeBegin',
      given: { beforeBegin: 'log' },
      received: '"log"',
    },
  };
  for (const [name, { option, given, received }] of Object.entries(OPTIONS))
    test(`the option: ${name}`, async () => {
      const error = await refused(app, 9090, given).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: 'EndlessError', code: 'ERR_ENDLESS_INVALID_OPTION' });
      expect((error as Error).message).toMatch(
        new RegExp(`^\`${option}\` must be .+; received ${received}\\.$`),
      );
    });

  test('an option that does not exist, and names the near one', async () => {
    await expect(refused(app, 9090, { readTimeOut: 5 })).rejects.toMatchObject({
      code: 'ERR_ENDLESS_INVALID_OPTION',
      message: expect.stringMatching(/`readTimeOut`.*`readTimeout`/),
    });
    await expect(refused(app, 9090, { hammerTime: 5 })).rejects.toMatchObject({
      code: 'ERR_ENDLESS_INVALID_OPTION',
      message: expect.stringMatching(/`hammerTime`.*readTimeout, writeTimeout, maxHeaderBytes/),
    });
  });

  test('`tls` and `http2` for a ready-made server', async () => {
    for (const option of ['tls', 'http2'])
      await expect(
        refused(net.createServer(), 9090, { [option]: option === 'tls' ? {} : true }),
      ).rejects.toMatchObject({
        code: 'ERR_ENDLESS_INVALID_OPTION',
        message: expect.stringContaining(`\`${option}\` must be left out`),
      });
  });

  for (const [name, wrong] of Object.entries({
    undefined: undefined,
    'an object': { callback: 1 },
    'a port': 9090,
  }))
    test(`the app: ${name}`, async () => {
      await expect(refused(wrong, 9090)).rejects.toMatchObject({
        name: 'EndlessError',
        code: 'ERR_ENDLESS_INVALID_APP',
        message: expect.stringContaining(`Cannot serve ${JSON.stringify(wrong)}: give a request listener`),
      });
    });

  test('certificate files that are not there, by name', async () => {
    const missing = { certFile: '/no/such/cert.pem', keyFile: '/no/such/key.pem' };
    await expect(refused(app, 9090, { tls: missing })).rejects.toThrow('/no/such/cert.pem');
  });

  test('all of these without a change to the process', () => {
    expect(process.listenerCount('SIGHUP')).toBe(0);
    expect(endless.state).toBe('init');
  });
});
