/**
 * Runs a callback of the application: what it throws or rejects with goes to `report` and no further. `done` is called once
 * it has returned, or once the promise that it returned has resolved.
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

/** Whether a value is a promise, of whatever make. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
