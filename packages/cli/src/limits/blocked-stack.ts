import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from '../workers/worker.js';
import { evaluate } from './inspector.js';

/** How long the stack of a blocked process may take. */
const TIME = 2_000;
const LOOK_AGAIN = 10;
/** SIGUSR1 in the mask of the signals that a process catches. */
const USR1 = 1n << 9n;
/** The state of a listening socket in `/proc`. */
const LISTEN = '0A';

/**
 * The JavaScript stack of a process whose event loop is blocked, innermost frame first; undefined if there is no
 * way to it. It opens the inspector of the process, so the caller must kill the process right afterwards.
 */
export async function blockedStack(worker: Pick<Worker, 'pid' | 'kill'>): Promise<string[] | undefined> {
  const { pid } = worker;
  const end = performance.now() + TIME;
  try {
    const before = listeningPorts(pid);
    // Without a handler of Node.js the signal would end the process.
    if (!catchesUsr1(pid)) return undefined;
    // Once it has exited, its number may be that of another process.
    worker.kill('SIGUSR1');
    while (performance.now() < end) {
      const port = listeningPorts(pid).find((each) => !before.includes(each));
      if (port === undefined) await sleep(LOOK_AGAIN);
      else return framesOf(await evaluate(port, 'new Error().stack', end - performance.now()));
    }
  } catch {
    // No `/proc`, no right to read it, no inspector in this Node.js, or not in time.
  }
  return undefined;
}

/** The frames down to the outermost one of the program. */
function framesOf(stack = ''): string[] | undefined {
  const frames = [...stack.matchAll(/^ +at (.+)$/gm)]
    .map(([, frame]) => frame as string)
    .filter((frame) => !/\bnode:internal\/|^<anonymous>:1:1$/.test(frame));
  const last = frames.findLastIndex((frame) => !/\bnode:/.test(frame));
  return last < 0 ? undefined : frames.slice(0, last + 1);
}

function catchesUsr1(pid: number): boolean {
  const [, mask = '0'] = /^SigCgt:\s*(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return (BigInt(`0x${mask}`) & USR1) !== 0n;
}

/** The TCP ports on which a process listens. */
function listeningPorts(pid: number): number[] {
  const sockets = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)));
  const rows = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').trim().split('\n').slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === LISTEN && sockets.has(`socket:[${inode}]`))
    .map(([, local]) => Number.parseInt(local?.split(':')[1] ?? '', 16));
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    // The process has closed it meanwhile.
    return '';
  }
}
