import { statSync } from 'node:fs';
import path from 'node:path';
import type { Program } from '../program/program.js';

/** A folder that is watched with all folders in it. */
export interface WatchedFolder {
  path: string;
  /** Whether every file in it counts, and not only the files of a program. */
  whole: boolean;
}

/** What a run watches. */
export interface Watched {
  folders: readonly WatchedFolder[];
  /** Files that count wherever they are. */
  files: readonly string[];
}

/** The files of a program. Others, such as a log or a database, may change while it runs. */
const PROGRAM_FILE = /\.(?:[cm]?[jt]s|[jt]sx|json|node|wasm)$/;
/** The files of which a program reads its environment; other hidden files are those of tools. */
const ENVIRONMENT_FILE = /^\.env(?:\.|$)/;

/** The folder of the script, or else the given paths; and the `--env-file`s in any case. */
export function watchedOf(program: Program, paths: readonly string[]): Watched {
  const absolute = (typed: string) => path.resolve(program.directory, typed);
  const files = program.envFiles.map(absolute);
  if (paths.length === 0)
    return { folders: [{ path: path.dirname(program.resolve().script), whole: false }], files };
  const given = paths.map(absolute);
  return {
    folders: given.filter((each) => !isFile(each)).map((each) => ({ path: each, whole: true })),
    files: [...files, ...given.filter(isFile)],
  };
}

/** Whether a folder of dependencies or of a tool: nothing in it counts. */
export function isSkipped(name: string): boolean {
  return name === 'node_modules' || (name.startsWith('.') && !ENVIRONMENT_FILE.test(name));
}

/** Whether a change of this file in such a folder counts. */
export function counts(name: string, { whole }: Pick<WatchedFolder, 'whole'>): boolean {
  return !isSkipped(name) && (whole || PROGRAM_FILE.test(name) || ENVIRONMENT_FILE.test(name));
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}
