import { test } from '@endless/conformance';
import { startLoad } from '@endless/testkit';
import { expect } from 'vitest';
import { version, watched } from './watched.js';

test('a save replaces the program and loses nothing; a broken one leaves the old process in place', async () => {
  const served = await watched({ 'server.mjs': version('one') });
  const { port, program, write, restarted, answer } = served;
  const kept = startLoad({ port, connections: 4, mode: 'keep-alive', thinkTime: () => 2 });
  const fresh = startLoad({ port, connections: 2, mode: 'new-connection', thinkTime: () => 2 });
  expect(await restarted(() => write('server.mjs', 'this is no program'))).toMatch(
    /watch: server\.mjs changed: pid \d+ serves on\. .* before it was ready\./,
  );
  expect(await answer()).toBe('one');
  expect(program.stderr).toContain('SyntaxError');
  expect(await restarted(() => write('server.mjs', version('two')))).toMatch(
    /watch: server\.mjs changed: pid \d+ serves after \d+ ms, 4 connections moved\./,
  );
  expect(await answer()).toBe('two');
  const reports = [await kept.stop(), await fresh.stop()];
  expect(reports.map(({ lost }) => lost)).toEqual([[], []]);
  expect(reports[0]).toMatchObject({ opened: 4, idleClosed: 0, toldToClose: 0 });
  program.signal('SIGINT');
  expect(await program.exited).toEqual({ code: 0, signal: null });
  await program.waitForPids(0);
});

test('a first start that fails waits for the next change', async () => {
  const { program, write, restarted, answer } = await watched(
    { 'server.mjs': 'throw new Error("broken");' },
    { ready: /starts it again/ },
  );
  expect(program.pids()).toHaveLength(1);
  await restarted(() => write('server.mjs', version('mended')));
  expect(await answer()).toBe('mended');
});
