import { constants } from 'node:os';
import type { HookableSignal } from '../signals/signals.js';
import type { Listeners } from './listeners.js';
import type { Restarting } from './restarting.js';
import type { Shared } from './shared.js';
import { type Effect, effectOf } from './signals.js';
import type { Stopping } from './stopping.js';

/** The parts of the lifecycle between which a signal chooses. */
export interface SignalParts {
  listeners: Listeners;
  restarting: Restarting;
  stopping: Stopping;
}

/** Time that a hook has that runs before the force-close. */
const HAMMER_HOOK_TIME = 1_000;

/** What a signal does: the one path of every signal of this process. */
export async function onSignal(
  shared: Shared,
  { listeners, restarting, stopping }: SignalParts,
  came: HookableSignal,
): Promise<void> {
  const { world, log, hooks, settings, surroundings, phase } = shared;
  const effect = effectOf(came, settings.current, surroundings, phase.end !== undefined, log);
  if (!effect) return;
  const { action, signal } = effect;
  if (phase.candidate) return onSignalAsCandidate(shared, effect);
  switch (action) {
    case 'restart':
      if (listeners.ownEnd.ends(came)) return;
      return restarting.bySignal(signal);
    case 'shutdown':
      return stopping.bySignal(signal, listeners.ownEnd.heard(came));
    default: {
      const pre = hooks.run('pre', signal);
      // A force-close ends what never ends by itself: a hook must not hold it up.
      const enough = new Promise<void>((resolve) => world.after(HAMMER_HOOK_TIME, resolve));
      await (action === 'hammer' ? Promise.race([pre, enough]) : pre);
      log.info(`Received ${signal}.`);
      if (action === 'hammer') stopping.hammer();
      await hooks.run('post', signal);
    }
  }
}

function onSignalAsCandidate({ world, log }: Shared, { action, signal }: Effect): void {
  if (action === 'shutdown') {
    log.info(`Received ${signal}. This process is still starting, so it exits.`);
    // As a shell would report it.
    world.exit(128 + constants.signals[signal]);
  } else log.info(`Received ${signal}. This process is still starting, so it ignores the signal.`);
}
