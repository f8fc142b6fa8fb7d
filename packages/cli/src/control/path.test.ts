import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { UsageError } from '../program/program.js';
import { checkedControlPath, controlPath, safeControlPath } from './path.js';

let outer: string;
let folder: string;

beforeEach(() => {
  outer = mkdtempSync(path.join(tmpdir(), 'endless-'));
  vi.stubEnv('TMPDIR', outer);
  folder = path.dirname(controlPath('/app'));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(outer, { recursive: true });
});

const isRoot = process.geteuid?.() === 0;
const make = () => mkdirSync(folder, { mode: 0o700 });

type Unsafe = [name: string, prepare: () => void, why: string];

const FOREIGN: Unsafe = [
  'a folder of another user',
  () => {
    make();
    chownSync(folder, 65_534, 65_534);
  },
  'belongs to the user with id 65534. Remove it, or use --control',
];

/** What another user may control, and what the error reports. */
const UNSAFE: Unsafe[] = [
  [
    'a symbolic link',
    () => {
      mkdirSync(path.join(outer, 'other'), { mode: 0o700 });
      symlinkSync('other', folder);
    },
    'is a symbolic link. Remove it',
  ],
  ['a file', () => writeFileSync(folder, '', { mode: 0o600 }), 'is not a folder. Remove it'],
  ...[0o755, 0o770, 0o701].map(
    (mode): Unsafe => [
      `a folder with mode 0${mode.toString(8)}`,
      () => {
        make();
        chmodSync(folder, mode);
      },
      `has mode 0${mode.toString(8)}. Run \`chmod 700 `,
    ],
  ),
  // Only root can make one.
  ...(isRoot ? [FOREIGN] : []),
];

test.each(UNSAFE)('no control socket is looked for in, or made in, %s', (_name, prepare, why) => {
  prepare();
  for (const find of [checkedControlPath, safeControlPath]) {
    expect(() => find('/app')).toThrow(UsageError);
    expect(() => find('/app')).toThrow(
      `${folder} must be a folder of this user with mode 0700, and it ${why}`,
    );
  }
});

test('a control socket is looked for in a folder of this user alone, and in one that is not there yet', () => {
  expect(checkedControlPath('/app')).toBe(controlPath('/app'));
  expect(safeControlPath('/app')).toBe(controlPath('/app'));
  expect(checkedControlPath('/app')).toBe(controlPath('/app'));
});
