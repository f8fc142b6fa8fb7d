import type { RequestListener } from 'node:http';
import type { Server } from 'node:net';
import {
  type Address,
  endless as core,
  type Endless,
  type ListenOptions,
  type Settings,
} from '@endless/core';
import { adopt, extend, install, LATE, readiness, rejectsLate } from '@endless/core/adapter';
import type Koa from 'koa';

/** The one lifecycle of this process; called as a function, it makes the middleware. */
export interface EndlessKoa extends Omit<Endless, 'readiness' | 'listen'> {
  /**
   * Makes the middleware. `app.use(endless())` before all others and the app's own `app.listen(9090)` are enough. The
   * settings are those of `endless.configure`. With `lateRequests: 'reject'` a late request gets `ctx.throw(503)`.
   */
  (settings?: Settings): Koa.Middleware;
  /** Listens as in core; also accepts the Koa app itself. */
  listen(
    app: { callback(): RequestListener } | RequestListener | Server,
    address: Address,
    options?: ListenOptions,
  ): Promise<Server>;
  /** A middleware for readiness checks: `router.get('/ready', endless.readiness)`. */
  readiness: Koa.Middleware;
}

/** The one lifecycle of this process; `endless()` makes the Koa middleware. */
export const endless: EndlessKoa = extend(
  Object.assign(
    function endless(settings?: Settings): Koa.Middleware {
      install(settings);
      // Not `async`: that would cost each request another promise and three more microtasks.
      return function endless(ctx, next) {
        adopt(ctx.req);
        const retryAfter = rejectsLate(ctx.req);
        if (retryAfter !== undefined)
          ctx.throw(503, LATE, { expose: true, headers: { 'Retry-After': String(retryAfter) } });
        return next();
      };
    },
    {
      listen(
        app: { callback(): RequestListener } | RequestListener | Server,
        address: Address,
        options?: ListenOptions,
      ) {
        return core.listen('callback' in app ? app.callback() : app, address, options);
      },
      readiness(ctx: Koa.Context) {
        const { status, body } = readiness();
        ctx.status = status;
        ctx.set('Cache-Control', 'no-store');
        ctx.body = body;
      },
    },
  ),
);
