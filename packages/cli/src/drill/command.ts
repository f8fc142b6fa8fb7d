import { spawn } from 'node:child_process';
import { howEnded } from '../process-end.js';

/** How long a command may take. */
const LONGEST = 10 * 60_000;
/** The most of its output that is kept. */
const MOST_OUTPUT = 4_096;

/** Runs a command of the user in a shell; resolves with why it has failed. */
export function runCommand(command: string, interrupted: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    // In a group of its own, so that what it has started ends with it.
    const child = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        output = `${output}${chunk}`.slice(-MOST_OUTPUT);
      });
    let late = false;
    const kill = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
      } catch {
        // It has ended.
      }
    };
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, LONGEST);
    interrupted.addEventListener('abort', kill, { once: true });
    const done = (why: string | undefined) => {
      clearTimeout(timer);
      interrupted.removeEventListener('abort', kill);
      resolve(why);
    };
    child.once('error', (error) => done(error.message));
    // Not `close`: what the command leaves running, such as a server, may keep its output open.
    child.once('exit', (code, signal) => {
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      if (code === 0) return done(undefined);
      const why = late ? `did not end within ${LONGEST / 60_000} minutes` : howEnded({ code, signal });
      done(`the command ${why}${output.trim() === '' ? '' : `: ${output.trim().split('\n').at(-1)}`}`);
    });
  });
}
