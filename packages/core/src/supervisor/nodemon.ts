import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { World } from '../world.js';

/**
 * Whether nodemon has started this process, by itself or through a shell. Its SIGUSR2 asks the process to
 * exit; nodemon waits for that, and then starts the program again.
 */
export function underNodemon(world: World): boolean {
  const parent = world.ppid();
  return isNodemon(parent) || isNodemon(parentOf(parent));
}

function isNodemon(pid: number): boolean {
  const words = read(`/proc/${pid}/cmdline`).split('\0');
  return words.slice(0, 2).some((word) => /^nodemon(\.js)?$/.test(path.basename(word)));
}

function parentOf(pid: number): number {
  // The program name in this line may contain spaces and brackets.
  const [, parent] = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
  return Number(parent);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
