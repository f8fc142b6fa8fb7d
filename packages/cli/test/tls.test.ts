import { cpSync, mkdirSync, symlinkSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { connect, type SecureVersion } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, longTest, test } from '@endless/conformance';
import { expect } from 'vitest';
import { fixture, lines, type Run, run, temporaryFolder } from './program.js';

const CERTIFICATES = fileURLToPath(new URL('../../core/test/fixtures/tls', import.meta.url));

/** What one connection has found. */
interface Visit {
  resumed: boolean;
  worker: string;
  pid: number;
  shown: boolean;
  /** Whether its keys are those that the program has set. */
  own?: boolean;
  keys: string;
}

/** A client that keeps its TLS session, as a browser does. */
class Client {
  #session: Buffer | undefined;
  readonly #port: number;
  readonly #version: SecureVersion;

  constructor(port: number, version: SecureVersion) {
    this.#port = port;
    this.#version = version;
  }

  /** Makes a new connection with the session of the last one, and one request on it. */
  visit(asked = '/'): Promise<Visit> {
    return new Promise((resolve, reject) => {
      let text = '';
      let reused = false;
      const socket = connect({
        ...{ port: this.#port, host: '127.0.0.1', rejectUnauthorized: false, session: this.#session },
        ...{ minVersion: this.#version, maxVersion: this.#version },
      });
      socket.on('session', (session) => {
        this.#session = session;
      });
      socket.once('secureConnect', () => {
        reused = socket.isSessionReused();
        socket.write(`GET ${asked} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      });
      socket.on('data', (bytes) => {
        text += bytes;
      });
      socket.once('error', reject).once('close', () => {
        const body = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4));
        resolve({ resumed: reused, ...body });
      });
    });
  }

  async visits(count: number): Promise<Visit[]> {
    const visits: Visit[] = [];
    for (let visit = 0; visit < count; visit += 1) visits.push(await this.visit());
    return visits;
  }
}

async function secure(flags: string[], file = fixture('secure.mjs')): Promise<Run> {
  const served = await run('secure.mjs', { file, flags, env: { CERTIFICATES }, maxProcesses: 12 });
  await lines(served, new RegExp(`is ready \\(${flags[1]} of ${flags[1]}\\)`), 1);
  return served;
}

const resumed = (visits: Visit[]) => visits.filter((visit) => visit.resumed).length;

describe('keys that a program sets in the callback of `listen` stay its own', () => {
  // It listens before the secret of the supervisor has come.
  const ownKeys = () => secure(['--workers', '2'], fixture('own-keys.cjs'));
  const strange = (visits: Visit[]) => visits.filter(({ own }) => !own);
  const pids = (visits: Visit[]) => new Set(visits.map(({ pid }) => pid)).size;

  test('in each worker, also with a new certificate', async () => {
    const client = new Client((await ownKeys()).port, 'TLSv1.3');
    const visits = [...(await client.visits(20)), await client.visit('/renew')];
    expect([strange(visits), pids(visits)]).toEqual([[], 2]);
  });

  longTest('after a restart, and the new process does not get those of the old one', async () => {
    const served = await ownKeys();
    const client = new Client(served.port, 'TLSv1.3');
    const before = await client.visits(20);
    expect((await served.command('restart')).code).toBe(0);
    const visits = [...before, ...(await client.visits(20))];
    expect([strange(visits), pids(visits)]).toEqual([[], 4]);
  });
});

describe('a client resumes its TLS session', () => {
  test('on any worker, over a restart that switches a link to another release, and no key can be read from outside', async () => {
    const folder = temporaryFolder();
    for (const release of ['one', 'two']) {
      mkdirSync(path.join(folder, release));
      cpSync(fixture('secure.mjs'), path.join(folder, release, 'secure.mjs'));
    }
    const link = path.join(folder, 'current');
    symlinkSync('one', link);
    const served = await secure(['--workers', '2'], path.join(link, 'secure.mjs'));
    const clients = (['TLSv1.2', 'TLSv1.3'] as const).map((version) => new Client(served.port, version));
    for (const client of clients) await client.visit();
    const before = await Promise.all(clients.map((client) => client.visits(20)));
    unlinkSync(link);
    symlinkSync('two', link);
    expect((await served.command('restart')).code).toBe(0);
    const after = await Promise.all(clients.map((client) => client.visits(20)));
    expect([...before, ...after].map(resumed)).toEqual([20, 20, 20, 20]);
    const all = [...before, ...after].flat();
    expect(new Set(all.map(({ pid }) => pid)).size).toBe(4);
    expect(new Set(all.map(({ keys }) => keys)).size).toBe(1);
    expect(all.filter(({ shown }) => shown)).toEqual([]);
    // Each start of a supervisor has other keys: a key that leaks opens the sessions of one run.
    const other = await secure(['--workers', '1']);
    expect((await new Client(other.port, 'TLSv1.3').visit()).keys).not.toBe(all[0]?.keys);
  });

  longTest('on any of 4 workers, over a rolling restart, a crash and a new certificate', async () => {
    const served = await secure(['--workers', '4']);
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const client = new Client(served.port, version);
      await client.visit();
      expect(resumed(await client.visits(50))).toBe(50);
      const [loop, restarted] = [client.visits(150), served.command('restart')];
      expect((await restarted).code).toBe(0);
      expect(resumed(await loop)).toBe(150);
      const { pid } = await client.visit();
      served.program.signal('SIGKILL', pid);
      expect(resumed(await client.visits(50))).toBe(50);
      await client.visit('/renew');
      expect(resumed(await client.visits(50))).toBe(50);
    }
  });
});
