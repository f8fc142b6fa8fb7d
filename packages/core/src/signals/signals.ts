/**
 * The six signals of Go's endless, in its order, with their default actions.
 *
 * SIGUSR1 and SIGTSTP have no action, and endless listens to them only for a hook. A listener on SIGUSR1
 * disables Node's inspector, and one on SIGTSTP disables Ctrl-Z.
 */
export const DEFAULT_ACTIONS = {
  SIGHUP: 'restart',
  SIGUSR1: false,
  SIGUSR2: 'hammer',
  SIGINT: 'shutdown',
  SIGTERM: 'shutdown',
  SIGTSTP: false,
} as const satisfies Record<string, SignalAction>;

/** The action of endless for a signal; `false`: none. */
export type SignalAction = 'restart' | 'shutdown' | 'hammer' | false;

/** A signal that can have an action of endless, and hooks. */
export type HookableSignal = keyof typeof DEFAULT_ACTIONS;

/** The hookable signals, by name. */
export const HOOKABLE_SIGNALS = Object.keys(DEFAULT_ACTIONS) as HookableSignal[];

/** Whether endless knows the signal of this name. */
export function isHookable(name: unknown): name is HookableSignal {
  return typeof name === 'string' && Object.hasOwn(DEFAULT_ACTIONS, name);
}
