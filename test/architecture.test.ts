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

/** The arrows that run upward today; a new one is not added, and one that is gone leaves this list. */
const UPWARD = [
  'handoff/activated.ts -> supervisor/activation.ts',
  'listen/unix-path.ts -> readiness/private-door.ts',
  'settings.ts -> readiness/health.ts',
  'world.ts -> handoff/bind-like.ts',
  'world.ts -> listen/watch.ts',
  'world.ts -> signals/terminal.ts',
];

function roomOf(file: string): number {
  const room = file.includes('/') ? file.slice(0, file.indexOf('/')) : (BESIDE[file] ?? 'endless');
  return ROOMS.indexOf(room);
}

test('no file imports from a higher room, apart from the arrows that are listed', () => {
  const files = (readdirSync(SRC, { recursive: true }) as string[]).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
  );
  const upward = files.flatMap((file) =>
    [...readFileSync(path.join(SRC, file), 'utf8').matchAll(/ from '(\.[^']+)\.js'/g)]
      .map(([, to]) => `${path.join(path.dirname(file), to as string)}.ts`)
      .filter((to) => roomOf(to) > roomOf(file))
      .map((to) => `${file} -> ${to}`),
  );
  expect(files.filter((file) => roomOf(file) < 0)).toEqual([]);
  expect(upward.sort()).toEqual(UPWARD);
});
