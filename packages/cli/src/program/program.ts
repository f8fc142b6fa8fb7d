import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { directoryAsTyped } from './directory.js';
import { type Inspector, inspectorAt } from './inspect.js';
import { splitNodeArguments } from './node-options.js';
import { registerFor } from './register.js';

/** Options of Node.js that find the script in their own way. */
const LOADS = /(^|\s)(-r|--require|--import|--loader|--experimental-loader|--entry-url)\b/;
/** Options of Node.js whose value is the program itself. */
const RUNS_TEXT = /^(-e|--eval|-p|--print)$/;
const HOW = 'Write: endless run server.js, or: endless run -- node --import tsx server.ts';

/** What a run decides for its program. */
export interface Decided {
  /** Settings that stay, whatever the program configures. */
  settings: Record<'hammerTime' | 'idleGrace' | 'rollbackWindow', number>;
  /** Whether the workers log no step of a restart. */
  quiet: boolean;
}

/** What one generation of workers runs: a program with every link in its paths resolved. */
export interface Release {
  /** One number for each look at the links. */
  id: number;
  command: string;
  /** What each process loads first. */
  register: string;
  /** The options of Node.js. */
  options: readonly string[];
  /** The script and its arguments. */
  words: readonly string[];
  cwd: string;
  /** Variables over those of the supervisor; null removes one. */
  env: Readonly<Record<string, string | null>>;
  /** The resolved path of the script, for messages. */
  script: string;
  decided?: Decided;
}

/** The program of `endless run`, as it was typed. */
export class Program {
  readonly #command: string;
  readonly #options: readonly string[];
  readonly #script: string | undefined;
  readonly #args: readonly string[];
  readonly #decided: Decided | undefined;
  #releases = 0;
  /** The directory by the name that the shell used: a path through a link stays one. */
  readonly directory: string;

  /** Throws {@link UsageError} if the words are not a program of Node.js. */
  constructor(words: readonly string[], decided?: Decided) {
    this.#decided = decided;
    this.directory = directoryAsTyped();
    const [first = ''] = words;
    const named = isNode(first);
    const { options, script, args } = splitNodeArguments(named ? words.slice(1) : words);
    this.#command = named ? first : process.execPath;
    this.#options = options;
    this.#script = script;
    this.#args = args;
    if (!named && options.length > 0)
      throw new UsageError(`Write options of Node.js as: endless run -- node ${words.join(' ')}`);
  }

  /** The script as it was typed. */
  get name(): string {
    return this.#script ?? this.#command;
  }

  /** Throws {@link UsageError} if there is no such script. What a loader finds, only Node.js knows. */
  check(): void {
    if (this.#script === undefined) {
      if (this.#options.some((option) => RUNS_TEXT.test(option))) return;
      throw new UsageError(`${this.#command} ${this.#options.join(' ')} names no script. ${HOW}`);
    }
    if (LOADS.test(`${this.#options.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`)) return;
    if (!existsSync(scriptAt(this.directory, this.#script)))
      throw new UsageError(`there is no script ${this.#script} in ${this.directory}. ${HOW}`);
  }

  /** The files of `--env-file`, as they were typed. */
  get envFiles(): string[] {
    return this.#options.flatMap((option, at) => {
      const [flag = '', ...file] = option.split('=');
      if (!/^--env-file(-if-exists)?$/.test(flag)) return [];
      return file.length > 0 ? [file.join('=')] : this.#options.slice(at + 1, at + 2);
    });
  }

  /**
   * Follows every link now. Respawns run the same release until the next restart. Throws {@link UsageError} if
   * Node.js cannot preload endless from where it is.
   */
  resolve(): Release {
    const cwd = realPath(this.directory);
    const script = this.#script === undefined ? undefined : scriptAt(this.directory, this.#script);
    const register = registerFor(script ?? path.join(cwd, 'script.js'));
    if (IN_ARCHIVE.test(register)) throw new UsageError(`${register} is in an archive of yarn. ${UNPLUG}`);
    this.#releases += 1;
    return {
      id: this.#releases,
      command: this.#command,
      register,
      options: this.#options,
      words: [...(script === undefined ? [] : [script]), ...this.#args],
      cwd,
      env: {},
      script: script ?? this.#command,
      ...(this.#decided && { decided: this.#decided }),
    };
  }
}

/** Node.js resolves what a preloaded module imports past the loader of yarn's Plug'n'Play. */
const IN_ARCHIVE = /\.zip[\\/]/;
const UNPLUG =
  'Set "dependenciesMeta": { "@endless/core": { "unplugged": true } } in package.json, and install again.';

/** The arguments of a process of this release, whose inspector listens there. */
export function argumentsOf(release: Release, inspector: Inspector): string[] {
  const { command, register, options, words } = release;
  const preload = isNode(command) ? ['--require', register] : [];
  return [...preload, ...inspectorAt(inspector, options), ...words];
}

/** Whether a command is Node.js. */
export function isNode(command: string): boolean {
  return /^node(js)?(\.exe)?$/.test(path.basename(command));
}

/** The command line is wrong. */
export class UsageError extends Error {}

/** The script with every link resolved, as Node.js finds it. */
export function scriptAt(directory: string, typed: string): string {
  const file = path.resolve(directory, typed);
  try {
    return realpathSync(file);
  } catch {
    // Node.js also runs a file without its extension, and the main file of a folder.
    try {
      return createRequire(pathToFileURL(path.join(directory, 'script.js'))).resolve(file);
    } catch {
      return file;
    }
  }
}

function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}
