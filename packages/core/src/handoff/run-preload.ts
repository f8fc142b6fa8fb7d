import { builtin } from '../builtin.js';

/** Runs the preload in this process now, for a process that was started without it. */
export function runPreload(): void {
  builtin('node:module').createRequire(import.meta.url)('./preload.cjs');
}
