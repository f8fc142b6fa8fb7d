import { endless, endlessPlugin } from '@endless/fastify';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, describe, expect, test } from 'vitest';

const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGTSTP'];
const listeners = () => SIGNALS.reduce((sum, signal) => sum + process.listenerCount(signal), 0);

const apps: FastifyInstance[] = [];
const createApp = () => {
  const app = Fastify();
  apps.push(app);
  return app;
};

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

describe('the plugin', () => {
  test('decorates the app, and every context of it, with endless', async () => {
    const app = createApp();
    app.register(endlessPlugin, { logger: false });
    app.register(async (context) => {
      context.get('/', async () => context.endless.generation);
    });
    expect((await app.inject('/')).body).toBe('0');
    expect(app.endless).toBe(endless);
  });

  test(`takes settings beside Fastify's own register options`, async () => {
    const app = createApp();
    app.register(endlessPlugin, { hammerTime: 5_000, prefix: '/v1', logLevel: 'warn' });
    await app.ready();
    expect(app.endless).toBe(endless);
  });

  test('refuses a setting that does not exist, by name, when the app gets ready', async () => {
    const app = createApp();
    app.register(endlessPlugin, JSON.parse('{ "hammertime": 5000 }'));
    await expect(async () => app.ready()).rejects.toMatchObject({
      code: 'ERR_ENDLESS_INVALID_OPTION',
      message: expect.stringContaining('`hammerTime`'),
    });
  });

  test('may be registered twice and in nested contexts', async () => {
    const app = createApp();
    app.register(endlessPlugin);
    app.register(endlessPlugin);
    app.register(async (context) => {
      context.register(endlessPlugin);
    });
    app.get('/', async () => 'hello');
    expect((await app.inject('/')).body).toBe('hello');
  });

  test('listens to signals only while an app listens, with two apps until the last is closed', async () => {
    const before = listeners();
    const [one, two] = [createApp(), createApp()];
    for (const app of [one, two]) app.register(endlessPlugin, { logger: false });
    await one.ready();
    expect(listeners()).toBe(before);
    await one.listen({ port: 0 });
    await two.listen({ port: 0 });
    expect(listeners()).toBe(before + 4);
    await one.close();
    expect(listeners()).toBe(before + 4);
    await two.close();
    expect(listeners()).toBe(before);
  });
});
