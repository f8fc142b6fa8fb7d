import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

interface Page {
  tables: { titles: string[]; rows: string[][] }[];
  charts: string[];
}

let out: string;
beforeAll(() => {
  out = mkdtempSync(path.join(os.tmpdir(), 'endless-bench-'));
});
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** Runs a benchmark for a moment, and returns what it has written. */
async function run(name: string, ...args: string[]): Promise<Page> {
  const command = [MAIN, name, '--smoke', '--out', out, ...args];
  await promisify(execFile)(process.execPath, command, { timeout: 60_000 });
  return JSON.parse(readFileSync(path.join(out, `${name}.json`), 'utf8')) as Page;
}

const firsts = ({ tables }: Page) => tables[0]?.rows.map(([first]) => first);

// No figure is looked at: a moment on a busy machine measures nothing.
describe('runs:', () => {
  test('losses of a rolling restart of node:cluster', async () => {
    expect(firsts(await run('losses', '--only', 'node:cluster'))).toEqual(['node:cluster, rolling']);
  });

  test('losses of a pm2 reload', async () => {
    expect(firsts(await run('losses', '--only', 'pm2'))).toEqual(['pm2 reload']);
  });

  test('migrate, of busy connections', async () => {
    expect(firsts(await run('migrate', '--only', '50 busy'))).toEqual(['50 busy, in a hurry']);
  });

  test('latency', async () => {
    const programs = ['node:http', 'node:http', 'Express', 'Express'];
    expect(firsts(await run('latency'))).toEqual(programs);
  });

  test('timeline, with its two charts', async () => {
    const page = await run('timeline');
    expect(firsts(page)).toEqual(['endless', 'plain server.close()']);
    expect(page.charts).toEqual(['timeline-requests', 'timeline-latency']);
    for (const chart of page.charts) {
      const svg = readFileSync(path.join(out, `${chart}.svg`), 'utf8');
      expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
      expect(svg).toContain('prefers-color-scheme: dark');
      expect(svg.match(/<rect /g)?.length).toBeGreaterThan(10);
      expect(svg).not.toContain('NaN');
    }
  });

  test('shutdown of every peer', async () => {
    expect(firsts(await run('shutdown'))).toEqual([
      'endless',
      'endless, idleGrace',
      'plain server.close()',
      'stoppable',
      'http-terminator',
      'http-graceful-shutdown',
      'http-graceful-shutdown, preShutdown',
      '@godaddy/terminus',
      '@godaddy/terminus, beforeShutdown',
    ]);
  });

  test('cpu of a framework', async () => {
    expect(firsts(await run('cpu', '--only', 'Fastify'))).toEqual(['Fastify: bare, register(endlessPlugin)']);
  });

  test('cpu of a peer, which has no limit that could hold', async () => {
    const { tables } = await run('cpu', '--only', 'peers: plain, stoppable');
    expect(tables[0]?.rows.map((row) => [row[0], ...row.slice(-2)])).toEqual([
      ['peers: plain, stoppable', 'none', ''],
    ]);
  });

  test('memory of every peer', async () => {
    expect(firsts(await run('memory', '--only', 'peers'))).toEqual([
      'peers: plain, endless.listen',
      'peers: plain, stoppable',
      'peers: plain, http-terminator',
      'peers: plain, http-graceful-shutdown',
      'peers: plain, @godaddy/terminus',
    ]);
  });

  test('restart', async () => {
    expect(firsts(await run('restart', '--only', 'http'))).toEqual(['http, endless.listen']);
  });

  test('workers, on both kinds of connections', async () => {
    const { tables } = await run('workers');
    const names = ['endless run', 'node:cluster', 'pm2 cluster'];
    expect(tables[0]?.rows.map(([kind, name]) => [kind, name])).toEqual(
      ['kept-alive', 'new connections'].flatMap((kind) => names.map((name) => [kind, name])),
    );
  });

  test('watch, with each watcher', async () => {
    const watchers = ['endless run --watch', 'nodemon', 'node --watch', 'tsx watch'];
    expect(firsts(await run('watch'))).toEqual(watchers);
  });

  test('drill, beside its server', async () => {
    expect(firsts(await run('drill'))).toEqual(['nothing', 'a drill']);
  });

  test('growth', async () => {
    expect(firsts(await run('growth'))).toEqual(['listening sockets', 'live connections', 'generations']);
  });
});

test('results.md holds the tables and charts of all that has been run', () => {
  const results = readFileSync(path.join(out, 'results.md'), 'utf8');
  expect(results).toMatch(/^# Results\n/);
  expect(results).toMatch(/^\| more \| runs \|.*\n\| --- \|.*\n\| listening sockets \| 1 \|/m);
  expect(results).toContain('![growth](growth.svg)');
});

test('a benchmark that is not there is refused, with those that are', async () => {
  await expect(run('nothing')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there are losses, timeline, shutdown'),
  });
});
