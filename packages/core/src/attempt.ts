/**
 * Runs a callback of the application. Only `report` gets its error, thrown or rejected. Calls `done` when the
 * callback has returned, or when its promise has resolved.
 */
export function attempt(
  fn: () => unknown,
  report: (error: unknown) => void,
  done: () => void = () => {},
): void {
  let result: unknown;
  try {
    result = fn();
  } catch (error) {
    report(error);
    return;
  }
  if (isThenable(result)) void Promise.resolve(result).then(done, report);
  else done();
}

/** Whether a value is a promise, of any implementation. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
