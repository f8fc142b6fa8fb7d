import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

export type { Browser, Page } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';

/** Whether Debian's Chromium is installed: without it, `openBrowser` rejects. */
export const hasBrowser = existsSync(CHROMIUM);

/** Starts a headless Chromium with a profile of its own; the caller closes it. */
export function openBrowser(): Promise<Browser> {
  // As root, Chromium starts only without its sandbox, which is Playwright's default.
  return chromium.launch({ executablePath: CHROMIUM, chromiumSandbox: false });
}
