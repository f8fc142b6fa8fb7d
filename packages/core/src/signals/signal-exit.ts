/** The counter that all copies of one signal-exit version in a process share. */
interface Counted {
  count?: number;
}

/**
 * How many listeners of each signal belong to the package signal-exit, which nearly every program has.
 *
 * They leave the exit to any other listener, so there is nothing to wait for.
 */
export function signalExitCount(): number {
  const third = Reflect.get(process, '__signal_exit_emitter__') as Counted | undefined;
  const fourth = Reflect.get(globalThis, Symbol.for('signal-exit emitter')) as Counted | undefined;
  return (third?.count ?? 0) + (fourth?.count ?? 0);
}
