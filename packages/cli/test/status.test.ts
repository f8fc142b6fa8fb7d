// What `endless status` shows of real workers.
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, longTest, test } from '@endless/conformance';
import { get } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { getJson } from '../dist/control/client.js';
import type { Status } from '../dist/control/status.js';
import { fixture, lines, type Run, run, until, workers } from './program.js';

const statusOf = ({ socket }: Run) => getJson<Status>(socket, '/status');
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: raw\r\n';
const UNKNOWN = { connections: null, upgraded: null, requests: null, loop: null };

/** Opens a connection and sends a request; resolves once it is answered, unless it never is. */
async function open({ port }: Run, path = '/', headers = ''): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
  if (path !== '/never') await once(socket, 'data');
}

describe('`endless status`', () => {
  test('shows what each process holds, before a restart and after it', async () => {
    const served = await run('busy.mjs');
    await Promise.all(['/', '/', '/', '/never', '/never'].map((path) => open(served, path)));
    await open(served, '/', UPGRADE);
    await until(async () => (await statusOf(served)).worker[0]?.requests === 2);
    const { version, script, release, generation, worker, draining } = await statusOf(served);
    expect({ version, script, release, generation, draining }).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      script: fixture('busy.mjs'),
      release: realpathSync(fixture('busy.mjs')),
      generation: 0,
      draining: [],
    });
    expect(worker[0]).toMatchObject({ connections: 6, upgraded: 1, requests: 2 });
    expect(worker[0]?.loop).toBeGreaterThanOrEqual(0);
    expect(worker[0]?.loop).toBeLessThanOrEqual(1);
    const { output } = await served.command('status');
    expect(output).toMatch(
      /^worker +pid +generation +state +up +memory +loop +connections +requests +crashes\n0 +\d+ +0 +ready .* \d+ % +6 +2 +0$/m,
    );

    expect((await served.command('restart')).code).toBe(0);
    const after = await statusOf(served);
    expect(after).toMatchObject({
      generation: 1,
      worker: [{ generation: 1, connections: 3, upgraded: 0, requests: 0 }],
      draining: [{ pid: worker[0]?.pid, generation: 0, requests: 2 }],
      lastRestart: { result: 'done', moved: 3 },
    });
  });

  test('shows nothing of a worker that does not answer, and answers without it within 3 s', async () => {
    const served = await run('busy.mjs', { flags: ['--workers', '2'] });
    await lines(served, /is ready \(2 of 2\)/, 1);
    expect((await statusOf(served)).worker).toMatchObject([{ connections: 0 }, { connections: 0 }]);
    const stopped = workers(served)[1];
    served.program.signal('SIGSTOP', stopped);
    for (let ask = 0; ask < 2; ask += 1) {
      const began = performance.now();
      const { worker } = await statusOf(served);
      // The answer itself takes longer on a busy machine.
      expect(performance.now() - began).toBeLessThan(3_000);
      expect(worker).toMatchObject([{ connections: 0 }, { pid: stopped, ...UNKNOWN }]);
    }
    expect((await served.command('status')).output).toMatch(/^1 +\d+ +0 +ready .* - +- +- +0$/m);
    served.program.signal('SIGCONT', stopped);
    await until(async () => (await statusOf(served)).worker[1]?.connections === 0);
  });

  longTest('shows how busy the event loop of a worker was in the last seconds', async () => {
    const served = await run('busy.mjs', { flags: ['--stall', '3s'] });
    const loop = async () => (await statusOf(served)).worker[0]?.loop ?? 0;
    await until(async () => (await loop()) < 0.5, 10_000);
    await get({ port: served.port, path: '/spin', timeout: 20_000 });
    await until(async () => (await loop()) > 0.8, 10_000);
    await until(async () => (await loop()) < 0.2, 20_000);
  });

  longTest('shows how many clients wait at an address whose worker does not accept', async () => {
    const served = await run('busy.mjs');
    const queue = async () => (await statusOf(served)).addresses[0]?.queue;
    await until(async () => (await queue()) !== undefined);
    expect((await statusOf(served)).addresses).toEqual([
      { address: `127.0.0.1:${served.port}`, queue: process.platform === 'linux' ? 0 : null, backlog: 511 },
    ]);
    if (process.platform !== 'linux') return;
    const [pid] = workers(served);
    served.program.signal('SIGSTOP', pid);
    for (let client = 0; client < 3; client += 1) void open(served);
    await until(async () => (await queue()) === 3);
    served.program.signal('SIGCONT', pid);
    await until(async () => (await queue()) === 0);
  });

  longTest('names the processes of a worker that was scaled away while they drain', async () => {
    const served = await run('busy.mjs', { flags: ['--workers', '2'] });
    await lines(served, /is ready \(2 of 2\)/, 1);
    const [staying, leaving] = workers(served);
    // All of them come to the other worker.
    served.program.signal('SIGSTOP', staying);
    for (let request = 0; request < 3; request += 1) void open(served, '/never');
    await until(async () => (await statusOf(served)).worker[1]?.requests === 3);
    served.program.signal('SIGCONT', staying);
    void served.command('scale', '1');
    await until(async () => (await statusOf(served)).draining.length > 0);
    expect(await statusOf(served)).toMatchObject({
      worker: [{ index: 0 }],
      draining: [{ index: 1, pid: leaving, connections: 3, requests: 3 }],
    });
  });
});
