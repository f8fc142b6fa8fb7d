import { expect, test } from 'vitest';
import { inspectorAt, inspectorIn, waitsForDebugger } from './inspect.js';

test.each([
  ['--inspect', '--inspect=0', '--inspect'],
  ['--inspect=0', '--inspect=0', '--inspect=0'],
  ['--inspect=9230', '--inspect=0', '--inspect=9230'],
  ['--inspect=localhost', '--inspect=localhost:0', '--inspect=localhost'],
  ['--inspect=127.0.0.1:9230', '--inspect=127.0.0.1:0', '--inspect=127.0.0.1:9230'],
  ['--inspect=[::1]:9230', '--inspect=[::1]:0', '--inspect=[::1]:9230'],
  ['--inspect-brk', '--inspect=0', '--inspect'],
  ['--inspect-wait=9230', '--inspect=0', '--inspect=9230'],
  ['--inspect-port=9230 --inspect', '--inspect-port=0 --inspect=0', '--inspect-port=9230 --inspect'],
  ['--inspect-port 9230 --inspect', '--inspect-port 0 --inspect=0', '--inspect-port 9230 --inspect'],
  ['--debug-port [::1]:1', '--debug-port [::1]:0', '--debug-port [::1]:1'],
  ['--inspect-publish-uid=http  --no-warnings', '--inspect-publish-uid=http  --no-warnings', undefined],
])('`%s` is `%s` beside another process, and `%s` after a crash', (given, free, again = given) => {
  expect([inspectorIn('given', given), inspectorIn('free', given), inspectorIn('again', given)]).toEqual([
    given,
    free,
    again,
  ]);
  if (!given.includes('  ')) expect(inspectorAt('free', given.split(' '))).toEqual(free.split(' '));
});

test('only `--inspect-brk` and `--inspect-wait` wait for a debugger', () => {
  expect(
    ['--inspect', '--inspect-brk', '--inspect-wait=0', '--inspect-port'].filter((each) =>
      waitsForDebugger([each]),
    ),
  ).toEqual(['--inspect-brk', '--inspect-wait=0']);
});
