import { createRequire } from 'node:module';
import path from 'node:path';
import { type Program, startProgram } from '@endless/testkit';
import { ENDLESS } from './supervised.js';

/** What restarts a program when its file changes, started as its own page says. */
export interface Watcher {
  name: string;
  start(file: string, port: number): Program;
}

// Development dependencies of core, for its tests.
const { resolve } = createRequire(new URL('../../packages/core/package.json', import.meta.url));
const NODEMON = resolve('nodemon/bin/nodemon.js');
const TSX = path.join(path.dirname(resolve('tsx/package.json')), 'dist/cli.mjs');

/** Each of them, endless first. */
export const WATCHERS: readonly Watcher[] = [
  watcher('endless run --watch', [ENDLESS, 'run', '--watch', '--control', 'none']),
  watcher('nodemon', [NODEMON, '--quiet']),
  watcher('node --watch', ['--watch']),
  watcher('tsx watch', [TSX, 'watch']),
];

function watcher(name: string, execArgv: string[]): Watcher {
  return {
    name,
    start: (file, port) =>
      startProgram(file, {
        execArgv,
        cwd: path.dirname(file),
        // Some of them also read the keyboard.
        stdin: 'pipe',
        env: { PORT: String(port) },
      }),
  };
}
