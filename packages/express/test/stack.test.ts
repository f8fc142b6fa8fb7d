import { createRequire } from 'node:module';
import { endless } from '@endless/express';
import { get } from '@endless/testkit';
import type express from 'express';
import type { Express } from 'express';
import { describe, expect, onTestFinished, test } from 'vitest';

const require = createRequire(import.meta.url);
const versionOf = (name: string): string => require(`${name}/package.json`).version;
const VERSIONS = ['express', 'express5-oldest', 'express4', 'express4-oldest'].map(
  (name): [string, typeof express] => [versionOf(name), require(name)],
);

/** The middlewares of an app, by name. */
function names(app: Express): string[] {
  const { _router } = app as unknown as { _router?: { stack: { name: string }[] } };
  const { stack } = _router ?? (app.router as unknown as { stack: { name: string }[] });
  return stack.map(({ name }) => name).filter((name) => name === 'endless' || name === 'answer');
}

/** Starts an app and resolves with a function that asks it for an answer. */
async function start(app: Express): Promise<() => Promise<number>> {
  app.use(function answer(_request, response) {
    response.send('ok');
  });
  const server = app.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  return async () => (await get({ port })).status;
}

test('the lower ends of the range are among the versions that are tried', () => {
  const versions = VERSIONS.map(([version]) => version);
  const range = require('../package.json').peerDependencies.express as string;
  expect(versions).toEqual(expect.arrayContaining(range.split(' || ').map((from) => from.slice(1))));
});

describe.each(VERSIONS)('Express %s: the middleware', (_version, framework) => {
  test('leaves the stack with the first request, which reaches the next layer like those beside it', async () => {
    const app = framework();
    app.use(endless({ logger: false }));
    const ask = await start(app);
    expect(names(app)).toEqual(['endless', 'answer']);
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([200, 200, 200]);
    expect(names(app)).toEqual(['answer']);
    expect(await ask()).toBe(200);
  });

  test('stays in a router, where endless does not find it, and still works there', async () => {
    const app = framework();
    const router = framework.Router();
    router.use(endless({ logger: false }));
    app.use(router);
    const ask = await start(app);
    expect([await ask(), await ask()]).toEqual([200, 200]);
  });

  test(`stays with lateRequests: 'reject'`, async () => {
    const app = framework();
    app.use(endless({ logger: false, lateRequests: 'reject' }));
    onTestFinished(() => endless.configure({ lateRequests: 'serve' }));
    const ask = await start(app);
    expect(await ask()).toBe(200);
    expect(names(app)).toEqual(['endless', 'answer']);
  });
});
