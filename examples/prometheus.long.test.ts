import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { hup, RawClient, serve, until } from '../conformance/dist/index.js';
import { get } from '../testkit/dist/index.js';

const HERE = path.join(import.meta.dirname, 'prometheus');

test('examples/prometheus shows the metrics of the newest process over a restart, a failed one and a rollback', {
  timeout: 60_000,
}, async () => {
  const folder = mkdtempSync(path.join(HERE, '.work-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'server.js');
  const works = () => copyFileSync(path.join(HERE, 'server.js'), file);
  works();
  const { program, port } = await serve(file, {}, { ready: /serving on .*, generation 0/ });
  const metrics = async () => {
    const { body, status } = await get({ port, path: '/metrics' });
    expect(status).toBe(200);
    const samples = [...body.matchAll(/^(endless_\w+(?:\{.*\})?) (\S+)$/gm)];
    return Object.fromEntries(samples.map(([, name = '', value]) => [name, Number(value)]));
  };
  const address = { address: `[::]:${port}` };
  const of = (name: string, labels: object) =>
    `${name}{${Object.entries(labels)
      .map(([key, value]) => `${key}="${value}"`)
      .join()}}`;

  const kept = new RawClient(port).get('/');
  await kept.receive(/generation 0/);
  // The scrape itself is one request on one connection.
  await until(async () => (await metrics())[of('endless_connections', address)] === 2);
  const first = await metrics();
  expect(first).toMatchObject({
    [of('endless_active_requests', address)]: 1,
    [of('endless_idle_connections', address)]: 1,
    endless_generation: 0,
    endless_migrated_connections_total: 0,
  });

  const second = await hup(program);
  await until(async () => (await metrics()).endless_migrated_connections_total === 1);
  const after = await metrics();
  expect(after.endless_generation).toBe(1);
  expect(after.endless_serving_since_seconds).toBeGreaterThan(first.endless_serving_since_seconds as number);
  kept.get('/');
  await kept.receive(/generation 1/);
  await program.waitForPids(1);

  writeFileSync(file, "throw new Error('no database');\n");
  program.signal('SIGHUP', second);
  const failed = of('endless_failed_restarts_total', { code: 'ERR_ENDLESS_SUCCESSOR_EXITED' });
  await until(async () => (await metrics())[failed] === 1);

  works();
  program.signal('SIGKILL', await hup(program, second));
  const back = of('endless_rollbacks_total', { reason: 'ERR_ENDLESS_SUCCESSOR_EXITED' });
  await until(async () => (await metrics().catch(() => ({}) as Record<string, number>))[back] === 1);
  expect((await metrics()).endless_generation).toBe(1);
});
