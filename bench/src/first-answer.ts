import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** The process that answered, as it says itself in the header `X-Process`. */
export interface Answerer {
  generation: number;
  pid: number;
}

/**
 * Milliseconds between the beginnings of two requests. During a restart the old process answers them, which costs time
 * that a spawn without an old process does not cost: 500 requests a second make a restart measurably longer.
 */
const INTERVAL = 10;
const PATIENCE = 20_000;
const REQUEST = 'GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n';

/** Sends requests on fresh connections until a process of this generation answers; resolves with that process. */
export async function firstAnswer(port: number, generation: number): Promise<Answerer> {
  const deadline = performance.now() + PATIENCE;
  // The answer is noticed up to one interval late: by any part of it alike, whatever took place before this call.
  await delay(Math.random() * INTERVAL);
  while (performance.now() < deadline) {
    const next = performance.now() + INTERVAL;
    const answerer = await ask(port, deadline - performance.now());
    if (answerer?.generation === generation) return answerer;
    await delay(Math.max(0, next - performance.now()));
  }
  throw new Error(`Generation ${generation} gave no answer within ${PATIENCE} ms.`);
}

/** The process that answers, or undefined without an answer. */
function ask(port: number, patience: number): Promise<Answerer | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(REQUEST));
    socket.setTimeout(Math.max(1, patience), () => socket.destroy());
    socket.once('data', (head) => {
      const [, generation, pid] = /\r\nX-Process: (\d+) (\d+)\r\n/.exec(head.toString('latin1')) ?? [];
      if (generation !== undefined) resolve({ generation: Number(generation), pid: Number(pid) });
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve(undefined));
  });
}
