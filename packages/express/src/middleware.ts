import type { Endless, Settings } from '@endless/core';
import { adopt, extend, install, LATE, readiness, rejectsLate } from '@endless/core/adapter';
import type { NextFunction, Request, RequestHandler, Response } from 'express';

/** The one lifecycle of this process, which called as a function makes the middleware. */
export interface EndlessExpress extends Omit<Endless, 'readiness'> {
  /**
   * The middleware: `app.use(endless())`, first of all, with the app's own `app.listen(9090)`, is enough. The settings are
   * those of `endless.configure`. A request that comes late under `lateRequests: 'reject'` goes to the app's error
   * handlers, with `status` 503.
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
      return function endless(request: Request, response: Response, next: NextFunction) {
        adopt(request);
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
