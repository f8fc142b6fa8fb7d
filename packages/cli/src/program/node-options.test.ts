import { expect, test } from 'vitest';
import { splitNodeArguments } from './node-options.js';

test.each([
  ['server.js', [], 'server.js', []],
  ['server.js --port 1', [], 'server.js', ['--port', '1']],
  ['--import tsx server.ts a', ['--import', 'tsx'], 'server.ts', ['a']],
  ['--import=tsx --inspect server.ts', ['--import=tsx', '--inspect'], 'server.ts', []],
  ['--env-file .env -r ./a.js server.js', ['--env-file', '.env', '-r', './a.js'], 'server.js', []],
  ['--no-warnings -- server.js', ['--no-warnings'], 'server.js', []],
  ['-e 1', ['-e', '1'], undefined, []],
  ['--inspect', ['--inspect'], undefined, []],
])('`node %s` is taken apart', (line, options, script, args) => {
  expect(splitNodeArguments(line.split(' '))).toEqual({ options, script, args });
});
