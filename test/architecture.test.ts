import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './markdown.js';

const SRC = path.join(ROOT, 'packages/core/src');

/** The rooms of core from the ground up; a room imports from itself and from those before it. */
const ROOMS = [
  'node-private',
  'world',
  'signals',
  'settings',
  'listen',
  'readiness',
  'handoff',
  'supervised',
  'connections',
  'drain',
  'events',
  'migrate',
  'chain',
  'shutdown',
  'supervisor',
  'restart',
  'takeover',
  'lifecycle',
  'endless',
];

/** The loose files that are more than plumbing, each with the room beside which it stands. */
const BESIDE: Record<string, string> = {
  'attempt.ts': 'node-private',
  'checks.ts': 'node-private',
  'builtin.ts': 'node-private',
  'errors.ts': 'node-private',
  'version.ts': 'node-private',
  'debug.ts': 'world',
  'decide.ts': 'world',
  'log.ts': 'world',
  'wait-group.ts': 'world',
  'world.ts': 'world',
  'settings.ts': 'settings',
  'settings-store.ts': 'settings',
  'events.ts': 'events',
  'hooks.ts': 'events',
};

/** The one arrow that runs upward, for a type: what World binds is an address. */
const UPWARD = ['world.ts -> listen/address.ts'];

function roomOf(file: string): number {
  const room = file.includes('/') ? file.slice(0, file.indexOf('/')) : (BESIDE[file] ?? 'endless');
  return ROOMS.indexOf(room);
}

const FILES = (readdirSync(SRC, { recursive: true }) as string[]).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
);

/** The files that each file imports, types included. */
const IMPORTS = new Map(
  FILES.map((file) => {
    const text = readFileSync(path.join(SRC, file), 'utf8');
    const names = [...text.matchAll(/ from '(\.[^']+)\.js'/g)].map(([, to]) => to as string);
    return [file, names.map((name) => `${path.join(path.dirname(file), name)}.ts`)];
  }),
);

/** The files of a graph that import themselves through others. */
function inCircles(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    (imports.get(from) ?? []).some((next) => {
      if (next === to) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return reaches(next, to, seen);
    });
  return [...imports.keys()].filter((file) => reaches(file, file));
}

test('no file imports from a higher room, apart from the arrow that is listed', () => {
  const upward = FILES.flatMap((file) =>
    (IMPORTS.get(file) ?? []).filter((to) => roomOf(to) > roomOf(file)).map((to) => `${file} -> ${to}`),
  );
  expect(FILES.filter((file) => roomOf(file) < 0)).toEqual([]);
  expect(upward.sort()).toEqual(UPWARD);
});

test('no file imports itself through others', () => {
  expect(inCircles(IMPORTS)).toEqual([]);
  expect(
    inCircles(
      new Map([
        ['a', ['b', 'c']],
        ['b', ['a']],
        ['c', []],
      ]),
    ),
  ).toEqual(['a', 'b']);
});

test('no file of a package is longer than 260 lines, and none of `lifecycle/` longer than 200', () => {
  const packages = path.join(ROOT, 'packages');
  const long = (readdirSync(packages, { recursive: true }) as string[])
    .filter((file) => /^[^/]+\/src\/.*\.c?ts$/.test(file))
    .map((file) => ({ file, lines: readFileSync(path.join(packages, file), 'utf8').split('\n').length - 1 }))
    .filter(({ file, lines }) => lines > (file.includes('/lifecycle/') ? 200 : 260));
  expect(long).toEqual([]);
});
