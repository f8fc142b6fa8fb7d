import { describe, test } from 'vitest';
import { PACKAGES, read } from './markdown.js';
import { isSupervised, play, sessionsOf } from './session.js';

const PAGES = ['README.md', 'docs/from-pm2.md', ...PACKAGES.map((name) => `packages/${name}/README.md`)];

// `docs.test.ts` has the first program of each page, unless `endless run` starts it.
describe('the further programs of', () => {
  for (const page of PAGES)
    for (const session of sessionsOf(read(page)).filter((each, at) => at > 0 || isSupervised(each)))
      test(`${page}, line ${session.line}: start, ask, restart, ask, stop`, () => play(session));
});
