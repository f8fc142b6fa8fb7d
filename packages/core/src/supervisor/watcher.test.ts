import { expect, test } from 'vitest';
import { realWorld } from '../real-world.js';
import { type Ancestor, namesOf, scriptOf } from './ancestors.js';
import { watcherOf } from './watcher.js';

const world = { ...realWorld, env: {} };

function watcher(line: string, comm = ''): string | undefined {
  const words = line.split(' ');
  const ancestor: Ancestor = {
    pid: 7,
    names: namesOf(comm, words),
    script: scriptOf(words),
    words,
    wraps: false,
  };
  return watcherOf(world, [ancestor], true)?.name;
}

test.each([
  ['/usr/bin/python3 /usr/bin/supervisord -n', 'supervisord (pid 7)'],
  ['/usr/bin/python3.12 -u /usr/local/bin/honcho start', 'honcho (pid 7)'],
  ['runsv app', 'runsv (pid 7)'],
  ['node --require ./probe.cjs --enable-source-maps /usr/bin/forever server.js', 'forever (pid 7)'],
  ['/usr/bin/node /srv/node_modules/forever/bin/monitor server.js', 'forever (pid 7)'],
  ['ruby3.2 /usr/bin/foreman start', 'foreman (pid 7)'],
])('a watcher is known by its program or by the script of its interpreter: %s', (line, name) => {
  expect(watcher(line)).toBe(name);
});

test('a watcher is known by the name that the kernel has for it', () => {
  expect(watcher('foreman: master', 'foreman')).toBe('foreman (pid 7)');
});

test.each([
  'tmux new -s forever',
  'tmux new forever',
  'screen -S overmind',
  'node server.js forever',
  'node --require forever server.js',
  'docker-init -- supervisord',
])('what is only said to a program makes no watcher of it: %s', (line) => {
  expect(watcher(line)).toBeUndefined();
});
