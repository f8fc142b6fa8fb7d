import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import path from 'node:path';
import { describe, longTest, serve, temporaryFolder, test } from '@endless/conformance';
import { freePort } from '@endless/testkit';
import { expect, onTestFinished, vi } from 'vitest';
import { Ledger } from '../dist/drill/ledger.js';
import { Load, type LoadOptions } from '../dist/drill/load.js';
import type { LossKind } from '../dist/drill/losses.js';
import { reportOf } from '../dist/drill/report.js';
import { requestsFor } from '../dist/drill/target.js';
import { main } from '../dist/index.js';
import { drill } from './drill.js';
import { KINDS, losingServer } from './fixtures/drill/loses.mjs';
import { fixture, getJson } from './program.js';

/** Puts a server under the clients of a drill until they have sent so many requests. */
async function load(server: Server, options: LoadOptions): Promise<Ledger> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const authority = `127.0.0.1:${port}`;
  const where = { host: '127.0.0.1', port };
  const requests = requestsFor(['/'], authority, {});
  const ledger = new Ledger();
  await new Load({ name: authority, where, tls: false, authority, requests }, ledger, options).ended;
  return ledger;
}

const lostIn = ({ current }: Ledger) => Object.fromEntries(current.lostBy);

describe('the drill', () => {
  test('finds each request that a server loses on purpose, by kind', async () => {
    const kinds = KINDS.filter((kind) => kind !== 'silence');
    const found = await Promise.all(
      kinds.map(async (kind) => {
        const server = losingServer(kind, 7);
        // What comes late comes before the next request, and only on a connection that stays.
        const late = kind.endsWith('later');
        const ledger = await load(server, {
          ...{ kept: 4, fresh: late ? 0 : 2, requests: 105, think: late ? [20, 30] : [0, 2] },
        });
        return [kind, lostIn(ledger), ledger.current.answered, server.counts];
      }),
    );
    expect(found).toEqual(
      kinds.map((kind) => [kind, { [kind.split(' ')[0] as string]: 15 }, 90, { seen: 105, lost: 15 }]),
    );
  });

  test('finds each refused connection', async () => {
    const server = losingServer('reset', 1_000);
    // The fourth connection is the last that is accepted.
    server.on('connection', () => {
      if (server.counts.seen === 3) server.close();
    });
    const ledger = await load(server, { kept: 0, fresh: 1, requests: 9, think: [5, 5] });
    expect(lostIn(ledger)).toEqual({ refused: 5 });
  });

  test('forgives a SIGKILL only what its process held', () => {
    const ledger = new Ledger();
    ledger.begin('a worker is SIGKILLed', 'kill');
    const lose = (kind: LossKind) =>
      ledger.lose({ kind, since: performance.now(), request: 'GET /', detail: '', answeredBefore: 0 });
    for (const kind of ['reset', 'closed', 'truncated', 'refused', '503', 'silence'] as const) lose(kind);
    const { passed, lost, lostBy, lostToKill, losses, phases } = reportOf('x', ledger, { maxLost: 0 }, []);
    expect([passed, lost, lostBy]).toEqual([false, 3, { refused: 1, 503: 1, silence: 1 }]);
    expect(lostToKill).toEqual({ reset: 1, closed: 1, truncated: 1 });
    expect(losses.map(({ kind }) => kind)).toEqual(['refused', '503', 'silence']);
    expect(phases.map((phase) => phase.lost)).toEqual([0, 6]);
  });

  test('of a running server reports as JSON and as a page, and fails if something was lost', async () => {
    const { port } = await serve(fixture('drill/loses.mjs'), {}, { env: { KIND: '502', EVERY: '10' } });
    const page = path.join(temporaryFolder(), 'drill.html');
    const words = ['--url', `http://127.0.0.1:${port}/`, '--do', 'sleep 0.1', '--times', '2'];
    const { code, report } = await drill([
      ...words,
      ...['--every', '200ms', '--connections', '20', '--json', '--report', page],
    ]);
    const counts = await getJson<{ seen: number; lost: number }>(port, '/counts');
    expect(report.lostBy).toEqual({ 502: counts.lost });
    // The drill asks once before it begins.
    expect(report.requests).toBe(counts.seen - 1);
    expect(report.phases.map(({ name }) => name)).toEqual(['before', 'restart 1', 'restart 2']);
    expect([code, report.passed, report.lost > 0]).toEqual([1, false, true]);
    const html = readFileSync(page, 'utf8');
    expect(html).toContain('prefers-color-scheme: dark');
    expect(html).not.toMatch(/(src|href)=|url\(|@import/);
  });

  longTest('of a program with endless loses nothing', async () => {
    const port = String(await freePort());
    const SETTINGS = JSON.stringify({ rollbackWindow: 100 });
    const words = ['--times', '2', '--every', '100ms', '--json', fixture('endless.mjs')];
    const { code, report, stderr } = await drill(words, { env: { PORT: port, SETTINGS } });
    expect(report.lostBy, stderr).toEqual({});
    expect(report.phases.map(({ kind, error }) => [kind, error])).toEqual(
      ['before', 'restart', 'restart', 'kill', 'scale', 'failure', 'stop'].map((kind) => [kind, null]),
    );
    expect(code).toBe(0);
    expect(report.connections.opened).toBeGreaterThan(50);
  });

  test.each([
    ['no program', [], 2, 'name a program'],
    ['a URL without a command', ['--url', 'http://127.0.0.1:1/'], 2, '--do'],
    ['another machine', ['--url', 'http://192.0.2.1/', '--do', 'true'], 2, '--yes-really 192.0.2.1'],
    ['a port without a server', ['--url', 'http://127.0.0.1:1/', '--do', 'true'], 3, 'does not answer'],
    ['a program that does not start', [fixture('none.mjs')], 3, 'before it was ready'],
  ])('with %s ends with a reason and its exit code', async (_what, words, code, why) => {
    const [ended, text] = await inThisProcess(words);
    expect([ended, text]).toEqual([code, expect.stringContaining(why)]);
  });

  test('has a help that fits on a terminal of 80 columns and 24 lines', async () => {
    const [, help] = await inThisProcess(['--help']);
    const lines = help.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(23);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  });
});

/** Runs a drill that ends before it begins; resolves with its exit code and what it prints. */
async function inThisProcess(words: readonly string[]): Promise<[number, string]> {
  let text = '';
  const take = (chunk: unknown) => {
    text += chunk;
    return true;
  };
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockImplementation(take),
  );
  try {
    return [await main(['drill', ...words]), text];
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
