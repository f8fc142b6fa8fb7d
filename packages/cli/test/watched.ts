import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { get } from '@endless/testkit';
import { lines, type Run, type RunOptions, run, temporaryFolder } from './program.js';

/** A program under `endless run --watch`, whose files the test writes. */
export interface Watched extends Run {
  /** The folder of the script. */
  source: string;
  /** Writes a file of the program. */
  write(name: string, text: string): void;
  /** Resolves when a restart by a change is over that was not over before, with its line. */
  restarted(change: () => unknown): Promise<string>;
  /** What the program answers. */
  answer(): Promise<string>;
}

/** A server that answers with its version. */
export function version(name: string): string {
  return `
    import { createServer } from 'node:http';
    createServer((request, response) => {
      response.setHeader('x-generation', '${name}');
      response.end('${name}');
    }).listen(Number(process.env.PORT), '127.0.0.1', () => console.log('listening', process.pid, 0));
  `;
}

/** The line at the end of each restart by a change. */
const OVER = /watch: .*(?:serves after|serves on|starts it again).*/g;

/** Starts a program of these files, of which the first is the script. */
export async function watched(
  files: Record<string, string>,
  { flags = ['--watch'], ...options }: RunOptions = {},
): Promise<Watched> {
  const source = path.join(temporaryFolder(), 'src');
  const write = (name: string, text: string) => {
    const file = path.join(source, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  };
  for (const [name, text] of Object.entries(files)) write(name, text);
  const [script = ''] = Object.keys(files);
  const served = await run('', { flags, file: path.join(source, script), cwd: source, ...options });
  const { program, port } = served;
  const over = () => [...program.stderr.matchAll(OVER)].map(([line]) => line);
  return {
    ...served,
    source,
    write,
    async restarted(change) {
      const before = over().length;
      await change();
      await lines(served, OVER, before + 1);
      return over()[before] as string;
    },
    answer: async () => (await get({ port })).body,
  };
}
