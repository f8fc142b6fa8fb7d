import { readFileSync } from 'node:fs';
import type { World } from '../world.js';

/** Programs that, as process 1, wait for their child and end the container when it exits. */
const WAITING = [
  'tini',
  'dumb-init',
  'docker-init',
  'catatonit',
  'sh',
  'bash',
  'dash',
  'ash',
  'busybox',
  'npm',
  'pnpm',
  'yarn',
  'node',
];

/** Why the exit of this process, which was just started, would end its container; undefined if not. */
export function containerEndsWith(world: World): string | undefined {
  if (world.pid === 1) return 'it is pid 1, and the kernel ends the container with it';
  if (world.ppid() !== 1) return undefined;
  const init = nameOfInit();
  return WAITING.some((name) => init === name || init.startsWith(`${name} `))
    ? `its parent is pid 1 (${init}), which waits for it and ends the container with it`
    : undefined;
}

function nameOfInit(): string {
  try {
    // From Node.js 24 on its main thread has a name of its own.
    return readFileSync('/proc/1/comm', 'utf8')
      .trim()
      .replace(/^(node-)?MainThread$/, 'node');
  } catch {
    return '';
  }
}
