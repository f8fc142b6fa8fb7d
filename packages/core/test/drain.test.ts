import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { describe, longTest, rowTest, test } from '@endless/conformance';
import { get, testedNodes } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { ask, open } from './connection.js';
import { hup, loggedAt, serve } from './program.js';

describe('TLS sessions', () => {
  for (const { major, path: node } of testedNodes())
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
      for (const tlsTickets of [true, false])
        rowTest(
          `with ${maxVersion} ${tlsTickets ? 'are resumed' : 'are not resumed'} after a restart with tlsTickets: ${tlsTickets}, on Node ${major}`,
          async () => {
            const { program, port } = await serve('drain.mjs', { tlsTickets }, { node, env: { TLS: '1' } });
            const sessions = await Promise.all(Array.from({ length: 10 }, () => sessionOf(port, maxVersion)));
            await hup(program);
            const reused = await Promise.all(sessions.map((session) => resumes(port, maxVersion, session)));
            expect(reused).toEqual(Array(10).fill(tlsTickets));
          },
        );

  test('idle connections are told to close with their next answer, and lose nothing', async () => {
    const { program, port } = await serve('drain.mjs', {}, { env: { TLS: '1' } });
    const socket = await secure(port, 'TLSv1.3');
    expect(await exchange(socket)).toMatch(/connection: keep-alive/i);
    await hup(program);
    expect(await exchange(socket)).toMatch(/x-generation: 0[\s\S]*connection: close/i);
  });
});

describe('while it drains', () => {
  test('an upload that the program does not read gets its whole answer and no reset, 50 times of 50', async () => {
    const { program, port } = await serve('drain.mjs');
    const answers = Array.from({ length: 50 }, () => uploadUnread(port));
    await sleep(150);
    program.signal('SIGTERM');
    for (const answer of await Promise.all(answers)) {
      expect(answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*connection: close/i);
      expect(answer.length).toBeGreaterThan(2_000_000);
    }
  });

  test('a program that closes its server the moment that the drain begins cuts no idle connection', async () => {
    const { program, port } = await serve('connections.mjs', { idleGrace: 2_000 }, { env: { CLOSE: '1' } });
    const sockets = await Promise.all(Array.from({ length: 20 }, () => open(port)));
    await Promise.all(sockets.map(ask));
    program.signal('SIGTERM');
    await program.waitFor('Listener closed');
    await sleep(100);
    for (const answer of await Promise.all(sockets.map(ask))) expect(answer).toMatch(/connection: close/i);
  });

  longTest(
    'the ends of 200 idle connections that cannot move are spread over the second half of idleGrace',
    async () => {
      const idleGrace = 4_000;
      const { program, port } = await serve('drain.mjs', { idleGrace, migrate: false });
      const sockets = await Promise.all(Array.from({ length: 200 }, () => open(port)));
      await Promise.all(sockets.map(ask));
      const closed: number[] = [];
      for (const socket of sockets) socket.once('close', () => closed.push(Date.now()));
      program.signal('SIGHUP');
      const began = await loggedAt(program, 'has taken over');
      await program.waitForPids(1);
      const ends = closed.map((at) => (at - began) / idleGrace);
      expect(ends).toHaveLength(200);
      expect(Math.min(...ends)).toBeGreaterThan(0.48);
      expect(Math.max(...ends)).toBeLessThan(1.1);
      expect(Math.max(...ends) - Math.min(...ends)).toBeGreaterThan(0.5 * 0.8);
      for (let tenth = 0; tenth < 10; tenth += 1) {
        const from = 0.5 + tenth * 0.05;
        expect(ends.filter((end) => end >= from && end < from + 0.05).length).toBeLessThanOrEqual(50);
      }
    },
  );
});

describe('25 clients in the accept queue are all answered over a restart', () => {
  test('that begins while the process is blocked', async () => {
    const { program, port } = await serve('drain.mjs');
    await get({ port, path: '/block?ms=1000' });
    const clients = Array.from({ length: 25 }, () => get({ port, timeout: 5_000 }));
    await sleep(100);
    await hup(program);
    const answers = await Promise.all(clients);
    expect(answers.map(({ status }) => status)).toEqual(Array(25).fill(200));
  });

  longTest(
    'that has come to the handover when the process is blocked, so that the new one finds them there',
    async () => {
      const { program, port } = await serve('drain.mjs', {}, { env: { BLOCKS_WHEN_READY: '1' } });
      program.signal('SIGHUP');
      await program.waitFor('blocking');
      const answers = await Promise.all(Array.from({ length: 25 }, () => get({ port, timeout: 5_000 })));
      expect(answers.map(({ status }) => status)).toEqual(Array(25).fill(200));
      expect(answers.map(({ headers }) => headers['x-generation'])).toContain('1');
    },
  );
});

/** A TLS connection that is established. */
function secure(port: number, maxVersion: 'TLSv1.2' | 'TLSv1.3', session?: Buffer): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion };
    const socket = connectTls(session ? { ...options, session } : options, () => resolve(socket));
    socket.once('error', reject);
    onTestFinished(() => void socket.destroy());
  });
}

/** Sends one request on a TLS connection; resolves with its answer. */
function exchange(socket: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (bytes) => resolve(bytes.toString()));
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  });
}

/** The session of a connection, with which a later one may resume. */
async function sessionOf(port: number, version: 'TLSv1.2' | 'TLSv1.3'): Promise<Buffer> {
  const socket = await secure(port, version);
  const session = new Promise<Buffer>((resolve) => socket.once('session', resolve));
  // TLS 1.3 sends its tickets after the handshake.
  await exchange(socket);
  const ticket = version === 'TLSv1.2' ? (socket.getSession() as Buffer) : await session;
  socket.destroy();
  return ticket;
}

async function resumes(port: number, version: 'TLSv1.2' | 'TLSv1.3', session: Buffer): Promise<boolean> {
  const socket = await secure(port, version, session);
  const reused = socket.isSessionReused();
  expect(await exchange(socket)).toMatch(/x-generation: 1/i);
  socket.destroy();
  return reused;
}

/** Sends more than anybody reads, and is slow to read the answer: most of it is in the server's kernel when that closes. */
function uploadUnread(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const chunk = Buffer.alloc(64 * 1024);
    const timer = setInterval(() => socket.writable && socket.write(chunk), 5);
    onTestFinished(() => void socket.destroy());
    socket.write('POST /unread?ms=400 HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n');
    socket.pause();
    setTimeout(() => socket.resume(), 800);
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
    });
    socket.on('error', (error) => reject(new Error(`${error.message} after ${text.length} bytes`)));
    socket.once('end', () => {
      clearInterval(timer);
      socket.end();
      resolve(text);
    });
    socket.once('close', () => clearInterval(timer));
  });
}
