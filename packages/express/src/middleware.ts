import type { Endless, Settings } from '@endless/core';
import { adopt, extend, install, LATE, mayStepAside, readiness, rejectsLate } from '@endless/core/adapter';
import type { NextFunction, Request, RequestHandler, Response } from 'express';

/** The one lifecycle of this process; called as a function, it makes the middleware. */
export interface EndlessExpress extends Omit<Endless, 'readiness'> {
  /**
   * Makes the middleware. `app.use(endless())` before all others and the app's own `app.listen(9090)` are enough. The
   * settings are those of `endless.configure`. With `lateRequests: 'reject'` a late request goes to the app's error
   * handlers with `status` 503.
   */
  (settings?: Settings): RequestHandler;
  /** A route for readiness checks: `app.get('/ready', endless.readiness)`. */
  readiness: RequestHandler;
}

/** The one lifecycle of this process; `endless()` makes the Express middleware. */
export const endless: EndlessExpress = extend(
  Object.assign(
    function endless(settings?: Settings): RequestHandler {
      install(settings);
      let stays = false;
      return function endless(request: Request, response: Response, next: NextFunction) {
        adopt(request);
        if (!stays && mayStepAside()) {
          stays = true;
          leaveStack(request, endless);
        }
        const retryAfter = rejectsLate(request);
        if (retryAfter === undefined) return next();
        response.set('Retry-After', String(retryAfter));
        next(Object.assign(new Error(LATE), { status: 503, expose: true }));
      };
    },
    {
      readiness(_request: Request, response: Response) {
        const { status, body } = readiness();
        response.status(status).set('Cache-Control', 'no-store').json(body);
      },
    },
  ),
);

/**
 * Removes a middleware that has nothing more to do from the app's stack: each layer costs each request time. Replaces
 * the stack and does not change it, since this request and others are still walking along it.
 */
function leaveStack({ app }: Request, middleware: unknown): void {
  // Express 4 keeps its router under the first name, and throws at the second.
  const { _router } = app as { _router?: Router };
  const router = _router ?? (app.router as unknown as Router | undefined);
  if (Array.isArray(router?.stack)) router.stack = router.stack.filter(({ handle }) => handle !== middleware);
}

interface Router {
  stack: { handle: unknown }[];
}
