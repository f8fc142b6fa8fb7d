import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hup, serve, temporaryFolder } from '../conformance/dist/index.js';
import { hasBrowser, openBrowser, type Page } from '../testkit/dist/browser.js';

const PROGRAM = path.join(import.meta.dirname, 'chat/server.js');

describe.skipIf(!hasBrowser)('examples/chat in a browser (needs chromium)', () => {
  test('two people type over five restarts: no close, and each message once and in order', {
    timeout: 60_000,
  }, async () => {
    const { program, port } = await serve(
      PROGRAM,
      {},
      { ready: /serving on .*, generation 0/, env: { CHAT_LOG: path.join(temporaryFolder(), 'log') } },
    );
    const browser = await openBrowser();
    onTestFinished(() => browser.close());
    const open = async (target: string) => {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${port}${target}`);
      return page;
    };
    const ada = await open('/?name=Ada&room=lobby');
    const bob = await open('/?name=Bob&room=lobby');
    const cat = await open('/?name=Cat&room=attic');
    const dashboard = await open('/dashboard');
    for (const page of [ada, bob, cat])
      await page.locator('#pid', { hasText: String(program.pid) }).waitFor();

    let typing = true;
    const said: Record<string, number> = { Ada: 0, Bob: 0 };
    const type = async (page: Page, name: string) => {
      while (typing) {
        await page.locator('input').fill(`number ${said[name]}`);
        await page.locator('input').press('Enter');
        said[name] = (said[name] as number) + 1;
      }
    };
    const typists = [type(ada, 'Ada'), type(bob, 'Bob')];
    let pid = program.pid;
    for (let restart = 0; restart < 5; restart += 1) {
      pid = await hup(program, pid);
      await program.waitForPids(1);
      const before = (said.Ada as number) + (said.Bob as number);
      await expect
        .poll(() => (said.Ada as number) + (said.Bob as number) > before + 10, { timeout: 5_000 })
        .toBe(true);
    }
    typing = false;
    await Promise.all(typists);

    const total = (said.Ada as number) + (said.Bob as number);
    for (const page of [ada, bob])
      await page
        .locator('li')
        .nth(total - 1)
        .waitFor();
    await dashboard
      .locator('li')
      .nth(total - 1)
      .waitFor();
    const lines = await ada.locator('li').allTextContents();
    expect(lines).toHaveLength(total);
    expect(await bob.locator('li').allTextContents()).toEqual(lines);
    for (const name of ['Ada', 'Bob'])
      expect(lines.filter((line) => line.startsWith(name))).toEqual(
        Array.from({ length: said[name] as number }, (_, number) => `${name}: number ${number}`),
      );
    expect(await cat.locator('li').count()).toBe(0);
    expect(await dashboard.locator('li').allTextContents()).toEqual(lines.map((line) => `lobby, ${line}`));
    expect(Number(await dashboard.locator('#opened').textContent())).toBeGreaterThanOrEqual(6);
    for (const page of [ada, bob, cat]) expect(await page.locator('#closed').textContent()).toBe('0');
    expect(await ada.locator('#pid').textContent()).toBe(String(pid));
  });
});
