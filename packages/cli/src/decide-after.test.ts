import { once } from 'node:events';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { decideAfter } from './decide-after.js';

/** Blocks this thread. */
const block = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

test('a decision waits for a message that came while this process was blocked', async () => {
  const says = 'setTimeout(() => require("node:worker_threads").parentPort.postMessage("came"), 50)';
  const other = new Worker(says, { eval: true });
  const seen: string[] = [];
  other.on('message', (message) => seen.push(message));
  await once(other, 'online');
  // Timers are next: what comes during the block is read after them.
  await turn();
  decideAfter(1, () => seen.push('decided'));
  block(300);
  await once(other, 'exit');
  await sleep(20);
  expect(seen).toEqual(['came', 'decided']);
});

test('a decision that is undone is not made, also in the turn in which it is due', async () => {
  const seen: string[] = [];
  decideAfter(1, () => seen.push('first'))();
  const undo = decideAfter(1, () => seen.push('second'));
  setTimeout(undo, 1);
  await sleep(20);
  await turn();
  expect(seen).toEqual([]);
});
