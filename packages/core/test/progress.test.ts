import { spawnSync } from 'node:child_process';
import { freePort, get, type Program, startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fixture } from './program.js';

const canScript = spawnSync('script', ['--version']).status === 0;
const LINE = /<erase>endless \d+ waits for 1 request, 1 connection; force-close in (\d+) s/g;

/** Shuts the program down in a terminal while it answers a request for `ms`; resolves with the text of that terminal. */
async function shownOver(ms: number, settings: object): Promise<string> {
  const port = await freePort();
  const terminal: Program = startProgram(`${process.execPath} ${fixture('in-terminal.mjs')}`, {
    node: 'script',
    execArgv: ['--quiet', '--flush', '--return', '--command'],
    args: ['/dev/null'],
    stdin: 'pipe',
    env: { PORT: String(port), SETTINGS: JSON.stringify({ idleGrace: 0, ...settings }) },
  });
  onTestFinished(() => terminal.stop());
  const [, pid] = await terminal.waitFor(/listening (\d+) 0/);
  const slow = get({ port, path: `/slow?ms=${ms}` });
  await terminal.waitFor('asked /slow');
  terminal.signal('SIGTERM', Number(pid));
  expect((await slow).body).toBe('generation 0');
  await terminal.waitForPids(0);
  return terminal.output.replaceAll('\r\x1b[K', '<erase>');
}

describe.skipIf(!canScript)('what a terminal shows of a drain (needs script, of Debian’s bsdutils)', () => {
  test('of two seconds and a half: one line, written in place, taken away before the next', async () => {
    const shown = await shownOver(2_500, { hammerTime: 10_000 });
    const times = [...shown.matchAll(LINE)].map(([, seconds]) => Number(seconds));
    expect(times.length).toBeGreaterThan(3);
    expect(times).toEqual([...times].sort((one, other) => other - one));
    expect([times[0], times.at(-1)]).toEqual([9, 8]);
    // It is taken away once for each time that it was shown; the last may have been when the request had its answer already.
    const shows = shown.match(/<erase>endless \d+ waits for/g) ?? [];
    expect(shown.match(/<erase>/g)).toHaveLength(shows.length + 1);
    const after = shown.slice(shown.lastIndexOf('waits for'));
    expect(after.indexOf('<erase>')).toBeLessThan(after.search(/Z endless \d+ Serve\(\) returning/));
  });

  test('of half a second, or without a log: nothing', async () => {
    const shown = await Promise.all([shownOver(500, {}), shownOver(1_500, { logger: false })]);
    expect(shown.join()).not.toContain('waits for');
  });
});
