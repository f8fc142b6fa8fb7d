import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, startProgram } from '@endless/testkit';
import { hasBrowser, openBrowser, type Page } from '@endless/testkit/browser';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from './program.js';
import { watched } from './watched.js';

const PAGE = fileURLToPath(new URL('../../ws/test/fixtures/page.mjs', import.meta.url));
const program = (version: string) => `import { start } from '${PAGE}';\nawait start('${version}');\n`;

/** What the page has seen. */
interface Seen {
  opened: number;
  closed: number;
  sent: number;
  replies: string[];
}

/** Opens the page in a browser of its own, and waits until its WebSocket talks. */
async function visit(port: number): Promise<Page> {
  const browser = await openBrowser();
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.waitForFunction('seen.replies.length >= 30');
  return page;
}

const seenBy = (page: Page) => page.evaluate<Seen>('seen');

describe.skipIf(!hasBrowser)('a save while a page is open in a browser (needs chromium)', () => {
  test('under `endless run --watch` leaves its WebSocket open, and loses no message', async () => {
    const { port, write, restarted } = await watched({ 'server.mjs': program('one') });
    const page = await visit(port);
    const versions = ['one', 'two', 'three'];
    for (const version of versions.slice(1)) {
      expect(await restarted(() => write('server.mjs', program(version)))).toContain('serves after');
      await page.waitForFunction(`seen.replies.at(-1).startsWith('${version} ')`);
    }
    await page.evaluate('clearInterval(timer)');
    await page.waitForFunction('seen.replies.length === seen.sent');
    const { opened, closed, replies } = await seenBy(page);
    expect([opened, closed]).toEqual([1, 0]);
    expect(replies.map((reply) => reply.replace(/^\w+ /, ''))).toEqual(
      replies.map((_, number) => `${number} ${number}`),
    );
    expect([...new Set(replies.map((reply) => reply.split(' ')[0]))]).toEqual(versions);
  });

  test('control: under `node --watch` closes the WebSocket of the same page', async () => {
    const file = path.join(temporaryFolder(), 'server.mjs');
    writeFileSync(file, program('one'));
    const port = await freePort();
    const watcher = startProgram(file, { execArgv: ['--watch'], env: { PORT: String(port) } });
    onTestFinished(() => watcher.stop());
    await watcher.waitFor(/listening \d+ 0/);
    const page = await visit(port);
    const after = watcher.stdout.length;
    writeFileSync(file, program('two'));
    await page.waitForFunction('seen.closed > 0');
    await watcher.waitFor(/listening \d+ 0/, { from: 'stdout', after });
    const { opened, replies } = await seenBy(page);
    expect(opened).toBe(1);
    expect([...new Set(replies.map((reply) => reply.split(' ')[0]))]).toEqual(['one']);
  });
});
