import { createRequire } from 'node:module';
import { endless } from '@endless/express';
import { get } from '@endless/testkit';
import express, { type Express } from 'express';
import { describe, expect, onTestFinished, test } from 'vitest';

const express4 = createRequire(import.meta.url)('express4') as typeof express;

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

describe.each([
  ['Express 5', express],
  ['Express 4', express4],
])('%s: the middleware', (_name, framework) => {
  test('leaves the stack with the first request, which like those beside it goes on to the next', async () => {
    const app = framework();
    app.use(endless({ logger: false }));
    const ask = await start(app);
    expect(names(app)).toEqual(['endless', 'answer']);
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([200, 200, 200]);
    expect(names(app)).toEqual(['answer']);
    expect(await ask()).toBe(200);
  });

  test('stays in a router, where it is not found, and does its work there', async () => {
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
