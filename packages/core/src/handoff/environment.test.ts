import { expect, test } from 'vitest';
import { environmentFor, restoreEnvironment } from './environment.js';

test('a successor gets `NODE_OPTIONS` byte for byte, also the white space in quotes', () => {
  const options = ' --title="two  spaces and\ta tab"  --require "/a  b/\\"c\\".cjs" ';
  restoreEnvironment({ NODE_OPTIONS: options });
  expect(environmentFor({}).env.NODE_OPTIONS).toBe(options);
  restoreEnvironment({ NODE_OPTIONS: `--inspect=9229${options}` });
  expect(environmentFor({}).env.NODE_OPTIONS).toBe(`--inspect=0${options}`);
});
