import { expect, test } from 'vitest';
import { Turns } from './turns.js';

test('requests during a run share one more run', async () => {
  const ends: ((result: number) => void)[] = [];
  const turns = new Turns(() => new Promise<number>((resolve) => ends.push(resolve)));
  const [first, second, third] = [turns.take(), turns.take(), turns.take()];
  expect([ends.length, turns.busy]).toEqual([1, true]);
  let idle = false;
  void turns.idle().then(() => {
    idle = true;
  });
  ends[0]?.(1);
  expect(await first).toBe(1);
  await new Promise((resolve) => setImmediate(resolve));
  expect([ends.length, idle]).toEqual([2, false]);
  ends[1]?.(2);
  expect(await Promise.all([second, third])).toEqual([2, 2]);
  await turns.idle();
  expect([ends.length, turns.busy]).toEqual([2, false]);
});

test('a run that fails is followed by the next', async () => {
  let runs = 0;
  const turns = new Turns(async () => {
    runs += 1;
    if (runs === 1) throw new Error('first');
    return runs;
  });
  const [first, second] = [turns.take(), turns.take()];
  await expect(first).rejects.toThrow('first');
  expect(await second).toBe(2);
});
