import type { Hooks } from '../hooks.js';
import type { Log } from '../log.js';
import type { HookableSignal } from '../signals/signals.js';
import type { World } from '../world.js';

/** How long pre hooks run before a server that the application closes does close: a hook may wait for it. */
const HOOK_TIME = 100;

/** Runs the pre hooks of a restart for `startTimeout` at most: a hanging hook must not block it for ever. */
export async function runPreHooks(
  { world, hooks, log }: { world: World; hooks: Hooks; log: Log },
  signal: HookableSignal,
  startTimeout: number,
  onLong: () => void,
): Promise<void> {
  const cancelLong = world.after(HOOK_TIME, onLong);
  let cancel = () => {};
  const late = new Promise<void>((resolve) => {
    cancel = world.after(startTimeout, () => {
      log.warn(
        `A pre hook of ${signal} has not ended within \`startTimeout\` (${startTimeout} ms): the restart goes on without it.`,
      );
      resolve();
    });
  });
  await Promise.race([hooks.run('pre', signal), late]);
  cancel();
  cancelLong();
}
