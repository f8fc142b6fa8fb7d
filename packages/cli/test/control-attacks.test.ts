// What a client of the control socket can do, on purpose or not. It is a program of the same user.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, rowsOf, rowTest } from '@endless/conformance';
import { startLoad } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { lines, type Run, run, temporaryFolder, until, workers } from './program.js';

/** Writes these bytes to a control socket, and resolves with all that comes back, once that ends or after a while. */
function exchange(socketPath: string, bytes: string, patience = 2_000): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(socketPath, () => socket.write(bytes));
    const end = () => {
      socket.destroy();
      resolve(text);
    };
    setTimeout(end, patience);
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.once('close', end);
  });
}

const post = (url: string, body: string, headers = '') =>
  `POST ${url} HTTP/1.1\r\nhost: x\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;

/** The requests that are answered with a 4xx, and change nothing: the status, and the bytes. */
const NONSENSE: [name: string, status: number, bytes: string][] = [
  ['an unknown path', 404, post('/nothing', '')],
  ['a path of Object.prototype', 404, post('/constructor', '')],
  ['a query', 404, post('/restart?now', '')],
  ['a path outside', 404, post('/../restart', '')],
  ['a whole URL', 404, post('http://localhost/restart', '')],
  ['a name of Object.prototype as target', 400, post('__proto__', '')],
  ['another method', 405, 'DELETE /restart HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a GET of an order', 405, 'GET /stop HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a POST of the status', 405, post('/status', '')],
  ['no HTTP', 400, 'restart\r\n\r\n'],
  ['no JSON', 400, post('/stop', 'now')],
  ['a list', 400, post('/stop', '[true]')],
  ['null', 400, post('/stop', 'null')],
  ['an unknown field', 400, post('/restart', '{"force":true}')],
  ['__proto__ as field', 400, post('/stop', '{"__proto__":{"now":true}}')],
  ['a text for a flag', 400, post('/stop', '{"now":"true"}')],
  ['a number for a flag', 400, post('/stop', '{"now":1}')],
  ['no number', 400, post('/scale', '{}')],
  ['a list for a number', 400, post('/scale', '{"to":["max"]}')],
  ['an object for a number', 400, post('/scale', '{"to":{"toString":"max"}}')],
  ['a negative number', 400, post('/scale', '{"to":"-5"}')],
  ['zero', 400, post('/scale', '{"to":0}')],
  ['a part of a worker', 400, post('/scale', '{"to":1.5}')],
  ['a huge number', 400, post('/scale', '{"to":1e300}')],
  ['too many workers', 400, post('/scale', '{"to":"9999"}')],
  ['too many more', 400, post('/scale', '{"to":"+2000"}')],
  ['a line break after a number', 400, post('/scale', '{"to":"4\\n"}')],
  ['a deep nest', 400, post('/stop', '['.repeat(4_000))],
  ['a long body', 413, post('/stop', ' '.repeat(5_000))],
  [
    'an endless body in chunks',
    413,
    `POST /stop HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1800\r\n${' '.repeat(6_144)}\r\n`,
  ],
  ['long headers', 431, post('/stop', '', `x: ${'x'.repeat(20_000)}\r\n`)],
  ['two lengths', 400, post('/stop', '', 'content-length: 1\r\n')],
  ['a length and chunks', 400, post('/stop', '', 'transfer-encoding: chunked\r\n')],
];

/** What the supervisor and its workers look like, to see that nothing has changed. */
async function picture({ command, program }: Run) {
  const { output } = await command('status', '--json');
  const { state, workers: count, worker, lastRestart } = JSON.parse(output);
  return [state, count, worker.map(({ pid }: { pid: number }) => pid), lastRestart, program.pids().sort()];
}

/** Open descriptors of a process. */
const descriptors = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;

describe('the control socket', () => {
  for (const suite of rowsOf(['nonsense'], () => true))
    rowTest(`${suite} gets a 4xx, and changes nothing`, async () => {
      const served = await run('plain.mjs');
      const before = await picture(served);
      const statuses = await Promise.all(
        NONSENSE.map(async ([name, , bytes]) => [
          name,
          Number((await exchange(served.socket, bytes)).split(' ')[1]),
        ]),
      );
      expect(statuses).toEqual(NONSENSE.map(([name, status]) => [name, status]));
      expect(await picture(served)).toEqual(before);
      expect(served.program.stderr).not.toContain('internal error');
    });

  longTest('answers the first of many requests on one connection, and drops the others', async () => {
    const served = await run('endless.mjs');
    const text = await exchange(served.socket, post('/restart', '{}').repeat(2_000), 4_000);
    expect(text.match(/HTTP\/1.1 200/g)).toHaveLength(1);
    expect(text.match(/HTTP\/1.1 (?!503)\d+/g)).toHaveLength(1);
    expect(served.program.stderr.match(/restart: done/g)).toHaveLength(1);
  });

  longTest('a thousand clients that say nothing hurt no worker, no restart and no respawn', async () => {
    const served = await run('endless.mjs', { flags: ['--workers', '2'] });
    await lines(served, /is ready \(2 of 2\)/, 1);
    await sleep(1_100);
    const { program, socket, port, command } = served;
    const before = descriptors(program.pid);
    const clients: Socket[] = [];
    onTestFinished(() => clients.forEach((client) => void client.destroy()));
    for (let client = 0; client < 1_000; client += 1) {
      const one = connect(socket);
      one.on('error', () => {});
      // Slowly, byte by byte, or nothing at all.
      if (client % 2 === 0) one.write('POST /stop HTTP/1.1\r\nx: ');
      clients.push(one);
    }
    const load = startLoad({ port, connections: 4, mode: 'keep-alive' });
    await until(() => descriptors(program.pid) > before + 50);
    program.signal('SIGHUP');
    await lines(served, /restart: done/, 1);
    expect(descriptors(program.pid)).toBeLessThan(before + 80);
    expect((await load.stop()).lost).toEqual([]);
    program.signal('SIGKILL', workers(served)[1]);
    await lines(served, /worker 1: pid \d+ is ready/, 2);
    // Those that have not sent a request in time are gone.
    await until(() => descriptors(program.pid) <= before, 20_000);
    expect((await command('status')).code).toBe(0);
  });

  longTest('a client that breaks off in the middle of a restart does not stop it', async () => {
    const served = await run('endless.mjs', { flags: ['--workers', '2'] });
    await lines(served, /is ready \(2 of 2\)/, 1);
    for (const [restart, patience] of [0, 50, 150, 400, 700].entries()) {
      await exchange(served.socket, post('/restart', '{}'), patience);
      await lines(served, /restart: done/, restart + 1);
    }
    expect(served.program.stderr).not.toContain('internal error');
    expect((await served.command('status')).code).toBe(0);
  });
});

/** A default socket that is not safe, or cannot be: how the folder is before, and what the log says. */
const UNSAFE: [name: string, prepare: (folder: string) => void, log: RegExp][] = [
  [
    'others may write to',
    (folder) => {
      mkdirSync(folder);
      chmodSync(folder, 0o770);
    },
    /must be a folder of this user/,
  ],
  ['is a symbolic link', (folder) => symlinkSync(temporaryFolder(), folder), /must be a folder of this user/],
  ['is a file', (folder) => writeFileSync(folder, ''), /must be a folder of this user/],
];

describe('the path of the control socket', () => {
  for (const [name, prepare, log] of rowsOf(UNSAFE, () => false))
    rowTest(`no socket in a folder that ${name}`, async () => {
      const tmp = temporaryFolder();
      const folder = path.join(tmp, `endless-run-${process.geteuid?.()}`);
      prepare(folder);
      const { program } = await run('plain.mjs', { env: { TMPDIR: tmp }, control: null });
      expect(program.stderr).toMatch(/do not reach this supervisor/);
      expect(program.stderr).toMatch(log);
      if (lstatSync(folder).isDirectory()) expect(readdirSync(folder)).toEqual([]);
    });

  longTest(
    'a file, a path that is too long and a missing folder end the run with code 2, and stay',
    async () => {
      const folder = temporaryFolder();
      const file = path.join(folder, 'precious');
      writeFileSync(file, 'data');
      for (const socket of [file, path.join(folder, 'x'.repeat(120)), path.join(folder, 'none/control')]) {
        const { program } = await run('plain.mjs', { control: socket, ready: /(?:)/ });
        expect(await program.exited).toEqual({ code: 2, signal: null });
        expect(program.stderr).toContain('--control: ');
      }
      expect(readdirSync(folder)).toEqual(['precious']);
    },
  );

  longTest('a socket whose queue is full belongs to a living process: code 5', async () => {
    const socketPath = path.join(temporaryFolder(), 'control');
    const code = `require('node:net').createServer().listen({ path: '${socketPath}', backlog: 1 }, () =>
      process.kill(process.pid, 'SIGSTOP'));`;
    const living = spawn(process.execPath, ['-e', code], { stdio: 'ignore' });
    onTestFinished(() => void living.kill('SIGKILL'));
    await until(() => existsSync(socketPath));
    const results = Array.from({ length: 8 }, async () => {
      const client = connect(socketPath);
      client.on('error', () => {});
      return once(client, 'connect').catch(({ code }) => code);
    });
    expect(await Promise.all(results)).toContain('EAGAIN');
    const served = await run('plain.mjs', { control: socketPath, ready: /(?:)/ });
    expect(await served.program.exited).toEqual({ code: 5, signal: null });
    expect(existsSync(socketPath)).toBe(true);
  });

  longTest('of many supervisors that find a stale socket at once, one starts', async () => {
    const first = await run('plain.mjs');
    first.program.signal('SIGKILL');
    await first.program.exited;
    const many = await Promise.all(
      [0, 1, 2, 3].map(() => run('plain.mjs', { control: first.socket, ready: /(?:)/ })),
    );
    const losers = () => many.filter(({ program }) => program.stderr.includes('another supervisor serves'));
    await until(() => losers().length === 3, 20_000).catch(() => {
      throw new Error(many.map(({ program }) => program.output).join('---\n'));
    });
    const [winner] = many.filter((each) => !losers().includes(each));
    expect((await (winner as Run).command('stop')).code).toBe(0);
    expect(readdirSync(path.dirname(first.socket))).toEqual([]);
  });
});
