import { createEndless, type Endless } from './endless.js';
import { EndlessError } from './errors.js';
import { Lifecycle } from './lifecycle/lifecycle.js';
import { realWorld } from './real-world.js';
import { VERSION } from './version.js';

interface Shared {
  version: string;
  lifecycle: Lifecycle;
  endless: Endless;
}

const KEY = Symbol.for('endless.lifecycle');

/**
 * The lifecycle of this process. The first loaded copy of endless makes it, and every other copy of the same
 * version uses it. Signals and listening sockets exist once per process, so two lifecycles would conflict.
 */
export function shared(): Shared {
  const existing = Reflect.get(globalThis, KEY) as Shared | undefined;
  if (existing && existing.version !== VERSION)
    throw new EndlessError(
      'ERR_ENDLESS_TWO_COPIES',
      `@endless/core ${VERSION} was loaded into a process that runs ${existing.version} already. Have one version of it in your dependencies (npm ls @endless/core shows who brings which).`,
    );
  if (existing) return existing;
  const lifecycle = new Lifecycle(realWorld, VERSION);
  const made: Shared = { version: VERSION, lifecycle, endless: createEndless(lifecycle) };
  Object.defineProperty(globalThis, KEY, { value: made, configurable: true });
  return made;
}
