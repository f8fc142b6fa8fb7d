// Puppeteer ends its browser at SIGINT, SIGTERM and SIGHUP, and when the process exits.
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';
import { cleaned, port, server } from './service.mjs';

const executablePath = fileURLToPath(new URL('./fake-browser.mjs', import.meta.url));
const browser = await puppeteer.launch({ executablePath, pipe: true, waitForInitialPage: false });
process.on('SIGTERM', async () => {
  await new Promise((resolve) => server.close(resolve));
  await browser.close();
  cleaned();
  process.exit(0);
});
server.listen(port);
