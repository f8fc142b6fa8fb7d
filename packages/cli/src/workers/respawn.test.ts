import { expect, test, vi } from 'vitest';
import { Respawn } from './respawn.js';

test('a worker that was served all the time starts at once, whichever process of it crashed', () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  const respawn = new Respawn();
  const start = vi.fn();
  const crash = () => {
    const when = respawn.plan(start);
    vi.runAllTimers();
    return when === '' ? 'at once' : `after ${Math.round(Number(when.split(' ')[2]))} s`;
  };
  // Each crash of a start makes the next wait longer.
  expect([crash(), crash(), crash()].map((when) => when.split(' ')[0])).toEqual(['after', 'after', 'after']);
  respawn.serves();
  vi.advanceTimersByTime(29_000);
  // A successor is ready, and crashes soon: the worker has served for longer than that.
  respawn.serves();
  vi.advanceTimersByTime(1_100);
  expect(crash()).toBe('at once');
  // Those 30 s have made the next wait short again.
  expect(crash()).toBe('after 1 s');
  expect(start).toHaveBeenCalledTimes(5);
  vi.useRealTimers();
});
