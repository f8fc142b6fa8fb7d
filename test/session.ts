import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { until } from '../conformance/dist/index.js';
import { freePort, get, type Program, startProgram } from '../testkit/dist/index.js';
import type { Block } from './markdown.js';
import { blocksOf, ROOT } from './markdown.js';

/** A program of a page, and what the page says to type. */
export interface Session {
  line: number;
  source: string;
  commands: string[];
}

const DEFAULT_COMMANDS = ['node server.js &', 'kill -HUP $!'];
/** The session starts its program by the command line of endless. */
export function isSupervised({ commands }: Session): boolean {
  return commands.some((command) => command.startsWith('npx endless run '));
}

/** Commands for the repository itself. */
const REPOSITORY_COMMAND = /^npx -y pnpm@12 [\w:]+$/;

/** The programs of a page: each js block, with the sh blocks that follow it. Throws for a block that no test would run. */
export function sessionsOf(page: string): Session[] {
  const sessions: Session[] = [];
  let before: Block | undefined;
  for (const block of blocksOf(page)) {
    const { language, text, line } = block;
    const commands = text.trim().split('\n');
    if (language === 'js') sessions.push({ line, source: text, commands: DEFAULT_COMMANDS });
    else if (language !== 'sh') throw new Error(`line ${line}: a block is js or sh, this is ${language}`);
    else if (!commands.every((command) => REPOSITORY_COMMAND.test(command))) {
      const program = before?.language === 'js' ? sessions.pop() : sessions.at(-1);
      if (!program) throw new Error(`line ${line}: no program goes with these commands`);
      // Further commands start the same program again.
      sessions.push({ ...program, ...(before?.language !== 'js' && { line }), commands });
    }
    before = block;
  }
  return sessions;
}

/** Where in this repository the packages that a program imports are found. */
function memberOf(source: string): string {
  if (/from '(@endless\/ws|socket\.io)'/.test(source)) return 'ws';
  return /from '@?(?:endless\/)?(express|koa|fastify)'/.exec(source)?.[1] ?? 'core';
}

/** The same program for those who `require`. */
export function required({ source, ...session }: Session): Session {
  const commonjs = source
    .replaceAll(/^import (.+) from ('.+');$/gm, 'const $1 = require($2);')
    // The first ws 8 has the other name for those who import only.
    .replace('{ WebSocketServer }', '{ Server: WebSocketServer }')
    .replaceAll(/^await /gm, '');
  return { ...session, source: commonjs };
}

/** Where and how a program is played. */
export interface Stage {
  /** A folder in which its packages are installed; else that of the package in this repository. */
  where?: string;
  /** The Node.js binary; else our own. */
  node?: string;
  env?: Record<string, string>;
}

/**
 * Does what the page says: starts the program, restarts and stops it, and asks it after each step. Only the port is
 * another one. A command that is not known fails.
 */
export async function play(session: Session, stage: Stage = {}): Promise<void> {
  const { source, commands } = session;
  const { where = path.join(ROOT, 'packages', memberOf(source)), node = process.execPath, env } = stage;
  const port = await freePort();
  const folder = mkdtempSync(path.join(where, '.work-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  // In its own package a program finds that by name only below the manifest of that.
  if (source.includes('require(')) writeFileSync(path.join(folder, 'package.json'), '{"type":"commonjs"}');
  writeFileSync(path.join(folder, 'server.js'), source.replaceAll('9090', String(port)));
  const shell = startProgram('-s', {
    node: 'sh',
    stdin: 'pipe',
    cwd: folder,
    maxProcesses: 16,
    env: { ...env, PATH: `${path.dirname(node)}:${process.env.PATH}` },
  });
  onTestFinished(() => shell.stop());

  let pid = 0;
  let generation = -1;
  const enter = (command: string) => shell.child.stdin?.write(`${command}\n`);
  const restart = async (command: string, accepts: RegExp) => {
    const after = shell.stderr.length;
    enter(command);
    pid = Number((await shell.waitFor(accepts, { from: 'stderr', after }))[1]);
    generation += 1;
    expect(await ask(port, '/')).toContain(`process ${pid}`);
    if (source.includes("'/ready'"))
      expect(JSON.parse(await ask(port, '/ready'))).toEqual({ state: 'running', generation });
  };

  const supervised = isSupervised(session) && new SupervisedSession(shell, port, binOf(stage));
  for (const line of commands) {
    const [command = '', answer] = line.split(/\s+# /);
    if (supervised) {
      await supervised.type(command, answer);
      generation = supervised.generation;
    } else if (command.startsWith('node ')) await restart(command, /endless (\d+) serving on/);
    else if (command.startsWith('kill -HUP '))
      await restart(command, /pid (\d+), generation \d+, has taken over/);
    else if (command === 'curl localhost:9090')
      expect(await ask(port, '/')).toBe(`${answer?.replace(/process \d+/, `process ${pid}`)}\n`);
    else if (command.startsWith('kill ')) {
      enter(command);
      await goneFrom(shell, pid);
    } else throw new Error(`No test knows how to run \`${line}\`.`);
  }
  expect(generation).toBeGreaterThan(0);
  if (shell.pids().includes(pid)) shell.signal('SIGTERM', pid);
  await until(() => shell.pids().length === 1, 10_000);
  shell.child.stdin?.end();
  await shell.exited;
  expect(shell.output).not.toMatch(/warning|error|threw|no such/i);
}

/** The command `endless` of this repository, or the one that is installed. */
function binOf({ where, node = process.execPath, env }: Stage): string {
  if (where === undefined) return path.join(ROOT, 'packages/cli/dist/bin.js');
  const find = ['-p', "require.resolve('@endless/cli/package.json')"];
  const options = { cwd: where, env: { ...process.env, ...env }, encoding: 'utf8' } as const;
  return path.join(path.dirname(execFileSync(node, find, options).trim()), 'dist/bin.js');
}

/** What a reader types who starts the program by `endless run`. */
class SupervisedSession {
  /** How many restarts there were; -1 before the start. */
  generation = -1;
  readonly #shell: Program;
  readonly #port: number;
  #typed = 0;

  constructor(shell: Program, port: number, bin: string) {
    this.#shell = shell;
    this.#port = port;
    // `npx endless` runs the file that `bin` of the installed package names.
    shell.child.stdin?.write(`npx() { shift; node ${bin} "$@"; }\n`);
  }

  async type(command: string, answer = ''): Promise<void> {
    if (/^npx endless run .*&$/.test(command)) {
      this.#shell.child.stdin?.write(`${command}\n`);
      await this.#shell.waitFor(/is ready \((\d+) of \1\)/, { from: 'stderr' });
      this.generation += 1;
    } else if (command === 'curl localhost:9090') {
      const shown = answer.replace(/process \d+/, 'process \\d+').replace(/(?<=generation )\d+/, '\\d+');
      expect(await ask(this.#port, '/')).toMatch(new RegExp(`^${shown}\n$`));
    } else if (/^(npx endless|curl --unix-socket) /.test(command)) {
      const { code, output } = await this.#run(command);
      expect([command, code]).toEqual([command, 0]);
      if (command.startsWith('curl ') && !command.endsWith('/status'))
        expect(JSON.parse(output.trim().split('\n').at(-1) ?? '')).toEqual({ exitCode: 0 });
      if (command.endsWith('status')) expect(output).toContain(/^\d+ of \d+ .*/.exec(answer)?.[0] ?? '');
      if (command.endsWith('restart')) this.generation += 1;
    } else throw new Error(`No test knows how to run \`${command}\`.`);
    if (command.endsWith('restart')) await ask(this.#port, '/');
  }

  async #run(command: string): Promise<{ code: number; output: string }> {
    this.#typed += 1;
    const mark = `@@${this.#typed}@@`;
    const after = this.#shell.stdout.length;
    this.#shell.child.stdin?.write(`${command}; echo ${mark}$?\n`);
    const [, code] = await this.#shell.waitFor(new RegExp(`${mark}(\\d+)`), {
      from: 'stdout',
      after,
      timeout: 60_000,
    });
    return { code: Number(code), output: this.#shell.stdout.slice(after).split(mark)[0] ?? '' };
  }
}

async function ask(port: number, target: string): Promise<string> {
  // As a browser does: `localhost` may be either loopback address.
  const { status, body } = await get({ host: 'localhost', port, path: target });
  expect(status).toBe(200);
  return body;
}

function goneFrom(program: Program, pid: number): Promise<void> {
  return until(() => !program.pids().includes(pid), 10_000).catch((error) => {
    throw new Error(`${error.message}\n${program.output}`);
  });
}
