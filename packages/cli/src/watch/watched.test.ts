import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Program } from '../program/program.js';
import { changesBetween, snapshotOf } from './snapshot.js';
import { watchedOf } from './watched.js';

/** A folder with these files. */
function folderOf(...files: string[]): { folder: string; write(file: string, text: string): void } {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'endless-')));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const write = (file: string, text: string) => {
    mkdirSync(path.join(folder, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  };
  for (const file of files) write(file, '');
  return { folder, write };
}

/** The files that count, of a program with its script in this folder. */
async function filesOf(folder: string, paths: string[] = []): Promise<string[]> {
  const program = new Program(['node', `--env-file=${folder}/secret`, `${folder}/src/server.js`]);
  const watched = watchedOf(
    program,
    paths.map((each) => path.join(folder, each)),
  );
  const snapshot = await snapshotOf(watched, () => {});
  return [...snapshot.keys()].map((file) => path.relative(folder, file)).sort();
}

test('the files of a program count in the folder of its script, and its environment files', async () => {
  const { folder } = folderOf(
    ...['secret', 'README.md', 'other/part.js', 'src/server.js', 'src/part/deep.ts', 'src/data.json'],
    ...['src/app.log', 'src/data.db', 'src/.env', 'src/.env.local', 'src/.eslintrc.json', 'src/.git/a.js'],
    ...['src/node_modules/a/index.js', 'src/server.js~', 'src/page.html'],
  );
  expect(await filesOf(folder)).toEqual([
    ...['secret', 'src/.env', 'src/.env.local', 'src/data.json', 'src/part/deep.ts', 'src/server.js'],
  ]);
});

test('every file counts in a path that is named, and nothing else but the environment files', async () => {
  const { folder } = folderOf(
    'secret',
    'src/server.js',
    'views/page.html',
    'views/.git/a',
    'one.yml',
    'two.yml',
  );
  expect(await filesOf(folder, ['views', 'one.yml', 'missing'])).toEqual([
    ...['one.yml', 'secret', 'views/page.html'],
  ]);
});

test('changes are the files that are new, gone or written', async () => {
  const { folder, write } = folderOf('secret', 'src/server.js', 'src/gone.js', 'src/same.js');
  const program = new Program([`${folder}/src/server.js`]);
  const look = () => snapshotOf(watchedOf(program, []), () => {});
  const before = await look();
  write('src/server.js', 'more');
  write('src/new/part.js', '');
  rmSync(path.join(folder, 'src/gone.js'));
  const changes = changesBetween(before, await look()).map((file) => path.basename(file));
  expect(changes.sort()).toEqual(['gone.js', 'part.js', 'server.js']);
});
