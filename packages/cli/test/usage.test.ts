import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { controlPath } from '../dist/control/path.js';
import { main } from '../dist/main.js';
import { directoryAsTyped } from '../dist/program/directory.js';
import { run, temporaryFolder } from './program.js';

/** What every command listens to from its begin on. */
const listened: [NodeJS.EventEmitter, string][] = [
  [process, 'uncaughtException'],
  [process.stdout, 'error'],
  [process.stderr, 'error'],
];
const before = listened.map(([emitter, event]) => emitter.listeners(event));

afterEach(() => {
  // Else Node.js warns of so many listeners, in the output of any later command.
  for (const [at, [emitter, event]] of listened.entries())
    for (const listener of emitter.listeners(event))
      if (!before[at]?.includes(listener)) emitter.off(event, listener as () => void);
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** Runs a command in this process, which no command of these tests gets to change. */
async function typed(args: readonly string[]): Promise<{ code: number; output: string }> {
  let output = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    output += text;
    return true;
  });
  return { code: await main(args), output };
}

describe('a wrong command line ends with code 2, and names what is wrong and what is right', () => {
  test.each<[string, ...string[]]>([
    ['strat', "unknown command 'strat'", '`endless --help` lists the commands'],
    ['run', "missing required argument 'program'", 'endless run --help'],
    ['run --worker 2 server.js', "unknown option '--worker'", 'Did you mean --workers?'],
    ['run --workers 0 server.js', "'--workers <count>' argument '0'", 'from 1 to 999, or max'],
    ['run --workers server.js', "'--workers <count>' argument 'server.js'", 'from 1 to 999, or max'],
    ['run --give-up soon server.js', "'--give-up <time>' argument 'soon'", '500ms, 30s, 5m or 1h'],
    ['run --give-up 9999h server.js', "'--give-up <time>' argument '9999h'", 'The longest time is 596h'],
    ['run --stall half server.js', "'--stall <time>' argument 'half'", '500ms, 30s, 5m or 1h'],
    ['run --max-memory 300 server.js', "'--max-memory <size>' argument '300'", '300M or 1.5G'],
    ['run --max-memory 140% server.js', "'--max-memory <size>' argument '140%'", 'of the memory as 40%'],
    ['run --max-age old server.js', "'--max-age <time>' argument 'old'", '500ms, 30s, 5m or 1h'],
    ['run --import tsx server.ts', "unknown option '--import'", 'endless run -- node --import tsx server.ts'],
    ['run -- --import tsx server.ts', '--import', 'endless run -- node --import tsx server.ts'],
    ['run -- node --inspect', 'node --inspect names no script', 'Write: endless run server.js'],
    ['run nothing.js', 'there is no script nothing.js in ', 'Write: endless run server.js'],
    ['run npm start', 'there is no script npm in ', 'Write: endless run server.js'],
    ['scale', "missing required argument 'count'", 'endless scale --help'],
    ['scale lots', "'lots' is invalid for argument 'count'", 'Write a number, +N, -N or max'],
    ['restart now', "too many arguments for 'restart'", 'endless restart --help'],
    ['restart --timeout never', "'--timeout <time>' argument 'never'", '500ms, 30s, 5m or 1h'],
    ['status --jsn', "unknown option '--jsn'", 'Did you mean --json?'],
    ['stop --control', "'--control <path>' argument missing", 'endless stop --help'],
  ])('endless %s', async (line, ...parts) => {
    const { code, output } = await typed(line.split(' '));
    for (const part of parts) expect(output).toContain(part);
    expect(output).toMatch(/^endless: /);
    expect(code).toBe(2);
  });

  test('WEB_CONCURRENCY=lots endless run', async () => {
    vi.stubEnv('WEB_CONCURRENCY', 'lots');
    const { code, output } = await typed(['run', import.meta.filename]);
    expect([code, output]).toEqual([
      2,
      'endless: WEB_CONCURRENCY must be a number from 1 to 999, or max; it is lots\n',
    ]);
  });

  test('endless run with a control socket or a pid file that cannot be made, and no file is changed', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'notes.txt');
    writeFileSync(file, 'kept');
    const nowhere = path.join(folder, 'missing/file');
    const rows = [
      [['--control', file], `--control: ${file} is not a socket`],
      [['--control', nowhere], '--control: listen '],
      [['--pid-file', nowhere], `--pid-file: ENOENT`],
    ] as const;
    await Promise.all(
      rows.map(async ([flags, message]) => {
        const { program } = await run('plain.mjs', { flags: [...flags], ready: /(?:)/ });
        expect(await program.exited).toEqual({ code: 2, signal: null });
        expect(program.stderr).toContain(`endless: ${message}`);
      }),
    );
    expect([readFileSync(file, 'utf8'), existsSync(nowhere)]).toEqual(['kept', false]);
  });
});

test.each(['status', 'restart', 'stop', 'scale 2'])(
  '`endless %s` where nothing runs ends with code 3, and tells where to go',
  async (line) => {
    const socket = path.join(temporaryFolder(), 'control');
    const { code, output } = await typed([...line.split(' '), '--control', socket]);
    expect(output).toBe(
      `endless: no supervisor answers on ${socket}. Go to the directory of \`endless run\`, or name its --control.\n`,
    );
    expect(code).toBe(3);
  },
);

test.each(['status', 'restart', 'stop', 'scale 2'])(
  '`endless %s` asks no server whose socket is in a folder that another user may have made: code 2',
  async (line) => {
    vi.stubEnv('TMPDIR', temporaryFolder());
    const socket = controlPath(directoryAsTyped());
    const folder = path.dirname(socket);
    // The server works: only the link to its folder is wrong.
    mkdirSync(`${folder}-of-another`, { mode: 0o700 });
    symlinkSync(`${folder}-of-another`, folder);
    let asked = 0;
    const server = createServer((_request, response) => {
      asked += 1;
      response.end('{"exitCode":0}');
    });
    onTestFinished(() => void server.close());
    await once(server.listen(path.join(`${folder}-of-another`, path.basename(socket))), 'listening');
    const { code, output } = await typed(line.split(' '));
    expect(output).toBe(
      `endless: ${folder} must be a folder of this user with mode 0700, and it is a symbolic link. Remove it\n`,
    );
    expect([code, asked]).toEqual([2, 0]);
  },
);
