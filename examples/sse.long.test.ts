import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hup, serve } from '../conformance/dist/index.js';
import { hasBrowser, openBrowser } from '../testkit/dist/browser.js';

const PROGRAM = path.join(import.meta.dirname, 'sse/server.js');

describe.skipIf(!hasBrowser)('examples/sse in a browser (needs chromium)', () => {
  test('a page that stays open over two restarts shows every event once, in order', async () => {
    const { program, port } = await serve(PROGRAM, {}, { ready: /serving on .*, generation 0/ });
    const browser = await openBrowser();
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${port}/`);

    const shown = () => page.locator('li').allTextContents();
    const pids = [program.pid];
    for (let restart = 0; restart < 2; restart += 1) {
      await page
        .getByText(`of pid ${pids.at(-1)}`)
        .nth(4)
        .waitFor();
      pids.push(await hup(program, pids.at(-1)));
    }
    await page
      .getByText(`of pid ${pids.at(-1)}`)
      .nth(4)
      .waitFor();

    const events = (await shown()).map((text) => /^event (\d+) of pid (\d+)$/.exec(text) ?? []);
    const numbers = events.map(([, number]) => Number(number));
    expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] as number) + at));
    expect([...new Set(events.map(([, , pid]) => Number(pid)))]).toEqual(pids);
    await program.waitForPids(1);
  });
});
