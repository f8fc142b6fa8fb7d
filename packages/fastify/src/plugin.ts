import type { RequestListener } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import type { Address, Endless, ListenOptions, Settings } from '@endless/core';
import { endless as core } from '@endless/core';
import * as adapter from '@endless/core/adapter';
import type { FastifyListenOptions, FastifyPluginCallback } from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import { runPreClose } from './pre-close.js';

/** A Fastify app with any server, logger and types. */
interface App {
  readonly server: Server;
  addresses(): (string | AddressInfo)[];
  listen(options: FastifyListenOptions): Promise<string>;
}

interface Reply {
  code(status: number): Reply;
  header(name: string, value: string): Reply;
  send(body: unknown): unknown;
}

/** The one lifecycle of this process. */
export interface EndlessFastify extends Omit<Endless, 'readiness' | 'listen'> {
  /** Listens as in core; also accepts the Fastify app itself. */
  listen(app: App | RequestListener | Server, address: Address, options?: ListenOptions): Promise<Server>;
  /** A route for readiness checks: `app.get('/ready', endless.readiness)`. */
  readiness(request: unknown, reply: Reply): void;
}

declare module 'fastify' {
  interface FastifyInstance {
    endless: EndlessFastify;
  }
}

/** The one lifecycle of this process. */
export const endless: EndlessFastify = adapter.extend({
  async listen(app: App | RequestListener | Server, address: Address, options?: ListenOptions) {
    if (!('addresses' in app)) return core.listen(app, address, options);
    // Without a host Fastify would take localhost, and every other `endless.listen` all interfaces.
    await app.listen({ host: '::', ...adapter.expect(app.server, address, options) });
    return app.server;
  },
  readiness(_request: unknown, reply: Reply) {
    const { status, body } = adapter.readiness();
    reply.code(status).header('cache-control', 'no-store').send(body);
  },
});

const appsThatEndWithUs = new WeakSet<Server>();

const plugin: FastifyPluginCallback<Settings> = (app, options, done) => {
  // Fastify's own register options are not settings.
  const { prefix, logLevel, logSerializers, ...settings } = options as Settings & Record<string, unknown>;
  try {
    adapter.install(settings);
  } catch (error) {
    return done(error as Error);
  }
  if (!app.hasDecorator('endless')) app.decorate('endless', endless);
  app.addHook('onRequest', (request, reply, next) => {
    adapter.adopt(request.raw);
    const retryAfter = adapter.rejectsLate(request.raw);
    if (retryAfter === undefined) return next();
    reply.header('retry-after', retryAfter);
    next(Object.assign(new Error(adapter.LATE), { statusCode: 503 }));
  });
  if (!appsThatEndWithUs.has(app.server)) {
    appsThatEndWithUs.add(app.server);
    const untie = adapter.onDrained(() => app.close(), runPreClose.bind(undefined, app));
    // The program closes the app: clients get a close notice, or Fastify would wait 72 s for idle ones.
    app.addHook('preClose', (next) => next(void adapter.drainAddresses(app.addresses())));
    app.addHook('onClose', (_app, next) => next(void untie()));
  }
  done();
};

/** The plugin: `app.register(endlessPlugin)` with the app's own `app.listen({ port: 9090 })` is enough. The options are those of `endless.configure`. */
export const endlessPlugin = fastifyPlugin(plugin, { name: '@endless/fastify', fastify: '5.x' });
