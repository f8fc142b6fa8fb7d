import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { World } from '../world.js';

/** A process above this one, as `/proc` shows it. */
export interface Ancestor {
  pid: number;
  /** The names under which it may be known: its own, its program's and that of the script it runs. */
  names: string[];
  /** Its command line. */
  words: string[];
  /** Whether it only waits for the command that it runs, and exits with that. */
  wraps: boolean;
}

const LIMIT = 10;

const WRAPPERS =
  /^(ba|da|a|k|mk|z)?sh$|^(busybox|env|nohup|nice|ionice|timeout|sudo|su|runuser|setpriv|chpst)$/;
const RUNNERS = /^(npm|npx|pnpm|pnpx|yarn|tsx|ts-node|babel-node|_babel-node)(-cli)?(\.[cm]?js)?( |$)/;

/**
 * The processes above this one, the parent first: shells, package managers and the like, which exit with what they run,
 * and above those the one that has started them.
 */
export function ancestorsOf(world: World): Ancestor[] {
  const found: Ancestor[] = [];
  for (let pid = world.ppid(); pid > 0 && found.length < LIMIT; pid = parentOf(pid)) {
    const ancestor = look(pid);
    found.push(ancestor);
    if (!ancestor.wraps) break;
  }
  return found;
}

function look(pid: number): Ancestor {
  const words = read(`/proc/${pid}/cmdline`).split('\0').filter(Boolean);
  const named = words.slice(0, 4).filter((word) => !word.startsWith('-'));
  const names = [read(`/proc/${pid}/comm`).trim(), ...named.map((word) => path.basename(word))];
  return { pid, names, words, wraps: wraps(words) };
}

function wraps(words: readonly string[]): boolean {
  const [program = '', script = ''] = words.map((word) => path.basename(word));
  if (WRAPPERS.test(program)) return true;
  const runs = /^node(js)?$/.test(program) ? script : program;
  // tsx runs `dist/cli.mjs`; with `watch` it starts the program again by itself.
  const tsx = /[/\\]tsx[/\\]dist[/\\]cli\.[cm]js$/.test(words[1] ?? '');
  return (RUNNERS.test(runs) || tsx) && words[2] !== 'watch';
}

function parentOf(pid: number): number {
  // The name of the program may hold spaces and brackets.
  const [, parent] = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
  return Number(parent) || 0;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
