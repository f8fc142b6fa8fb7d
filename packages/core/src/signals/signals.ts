/**
 * The six signals of the seed, in its order, and what each does unless `signals` says otherwise.
 *
 * SIGUSR1 and SIGTSTP do nothing of their own and are listened to only once a hook asks for them: a listener on
 * SIGUSR1 takes away Node's inspector, one on SIGTSTP takes away Ctrl-Z.
 */
export const DEFAULT_ACTIONS = {
  SIGHUP: 'restart',
  SIGUSR1: false,
  SIGUSR2: 'hammer',
  SIGINT: 'shutdown',
  SIGTERM: 'shutdown',
  SIGTSTP: false,
} as const satisfies Record<string, SignalAction>;

/** What a signal can be made to do; `false`: endless does nothing for it. */
export type SignalAction = 'restart' | 'shutdown' | 'hammer' | false;

/** A signal that endless can be told to act on and that hooks can be attached to. */
export type HookableSignal = keyof typeof DEFAULT_ACTIONS;

/** The hookable signals, by name. */
export const HOOKABLE_SIGNALS = Object.keys(DEFAULT_ACTIONS) as HookableSignal[];

/** Whether endless knows the signal of this name. */
export function isHookable(name: unknown): name is HookableSignal {
  return typeof name === 'string' && Object.hasOwn(DEFAULT_ACTIONS, name);
}
