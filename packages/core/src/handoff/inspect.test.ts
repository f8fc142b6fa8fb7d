import { expect, test } from 'vitest';
import { nodeOptionsFor, optionsFor } from './inspect.js';

test('an option of the inspector becomes one that takes any port and waits for no debugger', () => {
  const options = {
    '--inspect': '--inspect=0',
    '--inspect=9229': '--inspect=0',
    '--inspect=0': '--inspect=0',
    '--inspect=127.0.0.1': '--inspect=127.0.0.1:0',
    '--inspect=0.0.0.0:9229': '--inspect=0.0.0.0:0',
    '--inspect=[::1]:9229': '--inspect=[::1]:0',
    '--inspect-brk': '--inspect=0',
    '--inspect-brk=localhost:0': '--inspect=localhost:0',
    '--inspect-wait=9230': '--inspect=0',
    '--inspect-port=9230': '--inspect-port=0',
    '--debug-port=9230': '--debug-port=0',
    // These do not open the inspector.
    '--inspect-publish-uid=http': '--inspect-publish-uid=http',
    '--import=--inspect': '--import=--inspect',
    './--inspect': './--inspect',
  };
  expect(optionsFor(Object.keys(options))).toEqual(Object.values(options));
});

test('the port may be the next argument', () => {
  for (const name of ['--inspect-port', '--debug-port'])
    expect(optionsFor([name, '[::1]:9230', '--inspect'])).toEqual([name, '[::1]:0', '--inspect=0']);
});

test('in `NODE_OPTIONS` any number of spaces is before the port', () => {
  expect(nodeOptionsFor(' --inspect-port  9230 --inspect  ')).toBe(' --inspect-port  0 --inspect=0  ');
});
