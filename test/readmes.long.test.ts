import { describe, test } from 'vitest';
import { PACKAGES, read } from './markdown.js';
import { play, sessionsOf } from './session.js';

// `docs.test.ts` has the first program of each page.
describe('the further programs of', () => {
  for (const page of ['README.md', ...PACKAGES.map((name) => `packages/${name}/README.md`)])
    for (const session of sessionsOf(read(page)).slice(1))
      test(`${page}, line ${session.line}: start, ask, restart, ask, stop`, () => play(session));
});
