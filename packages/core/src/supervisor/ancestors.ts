import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { World } from '../world.js';

/** A process above this one, as `/proc` shows it. */
export interface Ancestor {
  pid: number;
  /** The names by which it may be known: its own, that of its program and that of its script. */
  names: string[];
  /** The script that it runs, if its program is an interpreter. */
  script: string | undefined;
  /** Its command line. */
  words: string[];
  /** Whether it only waits for the command that it runs, and exits with it. */
  wraps: boolean;
}

const LIMIT = 10;

const WRAPPERS =
  /^(ba|da|a|k|mk|z)?sh$|^(busybox|env|nohup|nice|ionice|timeout|sudo|su|runuser|setpriv|chpst)$/;
const RUNNERS = /^(npm|npx|pnpm|pnpx|yarn|tsx|ts-node|babel-node|_babel-node)(-cli)?(\.[cm]?js)?( |$)/;
const INTERPRETERS = /^(node(js)?|bun|deno|pypy\d*|(python|ruby|perl)[\d.]*)$/;
/** Options of node whose value is the next argument. */
const TAKES_VALUE = /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions)$/;

/**
 * The processes above this one, the parent first. Shells, package managers and others exit with the command
 * that they run; the list ends with the first process that does not.
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
  const names = namesOf(read(`/proc/${pid}/comm`).trim(), words);
  return { pid, names, script: scriptOf(words), words, wraps: wraps(words) };
}

/** The names of a process that the kernel knows as `comm`; further arguments are not its names. */
export function namesOf(comm: string, words: readonly string[]): string[] {
  const [program = '', script = ''] = [words[0], scriptOf(words)];
  return [comm, path.basename(program), path.basename(script)].filter((name, at) => at === 0 || name !== '');
}

/** The script that a command line runs, if its program is an interpreter. */
export function scriptOf([program = '', ...rest]: readonly string[]): string | undefined {
  if (!INTERPRETERS.test(path.basename(program))) return undefined;
  return rest.find((word, at) => !word.startsWith('-') && !TAKES_VALUE.test(rest[at - 1] ?? ''));
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
  // The program name in this line may contain spaces and brackets.
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
