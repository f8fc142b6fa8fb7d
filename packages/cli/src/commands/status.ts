import { setTimeout as sleep } from 'node:timers/promises';
import { getJson } from '../control/client.js';
import type { Status } from '../control/status.js';
import { EXIT } from '../exit-codes.js';
import { tableOf } from '../print/table.js';

/** `endless status`: shows the workers; with `watch` again each second. */
export async function status(
  socketPath: string,
  { json = false, watch = false }: { json?: boolean; watch?: boolean },
): Promise<number> {
  for (;;) {
    const now = await getJson<Status>(socketPath, '/status');
    // From the upper left corner, and nothing of the last picture below.
    if (watch && process.stdout.isTTY) process.stdout.write('\x1b[H\x1b[J');
    process.stdout.write(json ? `${JSON.stringify(now, undefined, 2)}\n` : tableOf(now));
    if (!watch) return now.state === 'running' ? EXIT.done : EXIT.failed;
    await sleep(1_000);
  }
}
