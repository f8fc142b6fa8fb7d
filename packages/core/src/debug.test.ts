import { expect, test } from 'vitest';
import { Debug, shortForm } from './debug.js';

test('shows a message without ticket keys, values of the environment or data of sockets', () => {
  const secret = 'c2VjcmV0';
  const lines = [
    { type: 'go', tickets: { '127.0.0.1:80': secret }, window: 2_000 },
    { type: 'environment', replaced: { TOKEN: secret } },
    { type: 'payload', pieces: [[1, secret]] },
    { type: 'moved', ids: [1, 2, 3, 4, 5, 6], lost: [] },
    { type: 'stderr', text: 'x'.repeat(100) },
  ].map(shortForm);
  expect(lines).toEqual([
    'go tickets={1} window=2000',
    'environment replaced={1}',
    'payload pieces=[1]',
    'moved ids=[1, 2, 3, 4, and 2 more] lost=[]',
    `stderr text="${'x'.repeat(60)}"...`,
  ]);
});

test('builds no line while debug output is off', () => {
  const log = Object.assign(() => expect.unreachable(), { enabled: false });
  const debug = new Debug(log);
  const message = {
    type: 'go',
    get window(): number {
      return expect.unreachable();
    },
  };
  debug.message('to', 'generation 1', message, false);
  debug.phase('init', 'running');
});
