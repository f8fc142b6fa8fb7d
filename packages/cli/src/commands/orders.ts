import { order } from '../control/client.js';
import { EXIT } from '../exit-codes.js';

const print = (line: string) => void process.stdout.write(`${line}\n`);

/** `endless restart`: waits until the restart is committed or has failed. */
export async function restart(socketPath: string, timeout: number): Promise<number> {
  const late = new Promise<number>((resolve) => {
    setTimeout(() => {
      print('The restart takes longer than `--timeout`, and goes on.');
      resolve(EXIT.busy);
    }, timeout).unref();
  });
  return Promise.race([order(socketPath, '/restart', {}, print), late]);
}

/** `endless scale`: waits until the new workers are ready, or the others have exited. */
export function scale(socketPath: string, count: string): Promise<number> {
  return order(socketPath, '/scale', { to: count }, print);
}

/** `endless stop`: waits until the supervisor exits. */
export function stop(socketPath: string, now: boolean): Promise<number> {
  return order(socketPath, '/stop', { now }, print);
}
