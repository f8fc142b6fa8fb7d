import path from 'node:path';
import type { CommandChange } from '../workers/messages.js';
import { splitNodeArguments } from './node-options.js';
import { isNode, type Release, scriptAt } from './program.js';

/**
 * A release with what the `restart` settings of its program change. Respawns run it as well: every link in it is
 * followed now.
 */
export function changed(
  release: Release,
  { command = release.command, args, env, cwd }: CommandChange,
): Release {
  const directory = cwd === undefined ? release.cwd : path.resolve(release.cwd, cwd);
  const variables = { ...(cwd !== undefined && { PWD: directory }), ...env };
  return {
    ...release,
    command,
    cwd: directory,
    env: variables,
    ...(args && wordsOf(command, args, directory)),
  };
}

/** Arguments that replace those of a release. */
function wordsOf(
  command: string,
  args: readonly string[],
  directory: string,
): Pick<Release, 'options' | 'words'> {
  const { options, script, args: rest } = splitNodeArguments(args);
  if (!isNode(command) || script === undefined) return { options: [], words: args };
  return { options, words: [scriptAt(directory, script), ...rest] };
}
