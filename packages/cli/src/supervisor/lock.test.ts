import { expect, test } from 'vitest';
import { Lock } from './lock.js';

test('changes run one after the other, also after one that failed', async () => {
  const lock = new Lock();
  const story: string[] = [];
  const change = (name: string, fails = false) =>
    lock.run(async () => {
      story.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      story.push(`${name} ends`);
      if (fails) throw new Error(name);
    });
  const first = expect(change('first', true)).rejects.toThrow('first');
  const second = change('second');
  expect(lock.busy).toBe(true);
  await lock.idle();
  await Promise.all([first, second]);
  expect(story).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
  expect(lock.busy).toBe(false);
});
