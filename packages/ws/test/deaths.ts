import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { chat, connect, hup, serve } from './program.js';

/**
 * Kills a successor so many milliseconds after it took over, while connections are on their way: each lives on, in either
 * process, and has lost nothing, or it was closed. None hangs, and none is answered by two.
 */
export async function killSuccessor(delay: number, count = 200): Promise<{ alive: number; closed: number }> {
  const { program, port } = await serve('echo.mjs', { push: 20 });
  const clients = await connect(port, count);
  const stop = chat(clients, 20);
  await sleep(100);
  const pid = await hup(program);
  await sleep(delay);
  program.signal('SIGKILL', pid);
  await sleep(500);
  stop();
  const alive = clients.filter(({ socket }) => !socket.destroyed);
  const closed = clients.length - alive.length;
  // What is still open answers; what is closed meanwhile was told so.
  for (const client of alive) void client.send('still there?');
  await Promise.all(clients.map((client) => client.end()));
  for (const { losses } of alive)
    expect(losses.filter((loss) => !/^closed with 1012$/.test(loss))).toEqual([]);
  for (const { losses } of clients)
    expect(losses.filter((loss) => !/^(closed|\d+ never came back)/.test(loss))).toEqual([]);
  await program.stop();
  return { alive: alive.length, closed };
}
