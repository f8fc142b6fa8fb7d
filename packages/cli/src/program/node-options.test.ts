import { execFileSync } from 'node:child_process';
import { nodeBinaries } from '@endless/testkit';
import { expect, test } from 'vitest';
import { splitNodeArguments } from './node-options.js';

test.each([
  ['server.js', [], 'server.js', []],
  ['server.js --port 1', [], 'server.js', ['--port', '1']],
  ['--import tsx server.ts a', ['--import', 'tsx'], 'server.ts', ['a']],
  ['--import=tsx --inspect server.ts', ['--import=tsx', '--inspect'], 'server.ts', []],
  ['--env-file .env -r ./a.js server.js', ['--env-file', '.env', '-r', './a.js'], 'server.js', []],
  ['--inspect-port 9230 server.js', ['--inspect-port', '9230'], 'server.js', []],
  ['--no-warnings -- server.js', ['--no-warnings'], 'server.js', []],
  ['-e 1', ['-e', '1'], undefined, []],
  ['--inspect', ['--inspect'], undefined, []],
])('`node %s` is taken apart', (line, options, script, args) => {
  expect(splitNodeArguments(line.split(' '))).toEqual({ options, script, args });
});

/** Options that `node --help` shows with a value, and that have none or run it as the program. */
const NOT_SO = ['-e', '--eval', '-p', '--print', '--experimental-default-config-file'];

/** The options that `node --help` shows with a value that may not be missing. */
function takingValue(help: string): string[] {
  return help
    .split('\n')
    .flatMap((line) => /^ {2}(-\S.*?)(?: {2,}|$)/.exec(line)?.[1] ?? [])
    .filter((shown) => shown.includes('=') && !shown.includes('[='))
    .flatMap((shown) => shown.split(', ').map((name) => name.replace(/=.*/, '')))
    .filter((name) => !NOT_SO.includes(name));
}

test('no option of Node.js has its value taken for the script', () => {
  const nodes = [process.execPath, ...nodeBinaries().map(({ path }) => path)];
  for (const node of nodes) {
    const options = takingValue(execFileSync(node, ['--help'], { encoding: 'utf8' }));
    expect(options.length).toBeGreaterThan(20);
    const wrong = options.filter(
      (option) => splitNodeArguments([option, 'value', 'server.js']).script !== 'server.js',
    );
    expect(wrong).toEqual([]);
  }
});
