import { expect, test } from 'vitest';
import { Searches } from './searches.js';
import type { Worker } from './worker.js';

/** Processes that note what they are sent. */
function searching(...names: string[]) {
  const sent: string[] = [];
  const processes = names.map(
    (name) =>
      ({ send: (message: object) => sent.push(`${name} ${JSON.stringify(message)}`) }) as unknown as Worker,
  );
  return { searches: new Searches(() => processes), processes: processes as [Worker, Worker, Worker], sent };
}

const copy = (name: string, id: number) => `${name} ${JSON.stringify({ type: 'copy', id })}`;
const searched = (name: string, id: number, others: number) =>
  `${name} ${JSON.stringify({ type: 'searched', id, others })}`;

test('a search ends when each other process has sent its sockets or has exited', () => {
  const { searches, processes, sent } = searching('a', 'b', 'c');
  const [a, b, c] = processes;
  searches.begin(a, 7);
  expect(sent).toEqual([copy('b', 1), copy('c', 1)]);
  searches.copied(b, 1);
  searches.copied(b, 1);
  expect(sent).toHaveLength(2);
  searches.gone(c);
  expect(sent.at(-1)).toBe(searched('a', 7, 2));
  searches.copied(c, 1);
  expect(sent).toHaveLength(3);
});

test('two searches at once each have their reply', () => {
  const { searches, processes, sent } = searching('a', 'b');
  const [a, b] = processes;
  searches.begin(a, 1);
  searches.begin(b, 1);
  searches.copied(a, 2);
  searches.copied(b, 1);
  expect(sent).toEqual([copy('b', 1), copy('a', 2), searched('b', 1, 1), searched('a', 1, 1)]);
});

test('a process that is alone has its reply at once', () => {
  const { searches, processes, sent } = searching('a');
  searches.begin(processes[0], 3);
  expect(sent).toEqual([searched('a', 3, 0)]);
});
