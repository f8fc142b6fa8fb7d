/** Where the two generations of signal-exit count themselves, for all copies of it in a process. */
interface Counted {
  count?: number;
}

/**
 * How many listeners of each signal are those of the package signal-exit, which nearly every program has.
 *
 * They leave the end of the process to any other listener, so that there is nothing to wait for.
 */
export function signalExitCount(): number {
  const third = Reflect.get(process, '__signal_exit_emitter__') as Counted | undefined;
  const fourth = Reflect.get(globalThis, Symbol.for('signal-exit emitter')) as Counted | undefined;
  return (third?.count ?? 0) + (fourth?.count ?? 0);
}
