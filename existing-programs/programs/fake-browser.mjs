#!/usr/bin/env node
// Speaks as much of the DevTools protocol as Puppeteer needs to start and to close a browser.
import { closeSync, createReadStream, writeSync } from 'node:fs';

const RESULTS = {
  'Target.getBrowserContexts': { browserContextIds: [] },
  'Browser.getVersion': {
    product: 'Fake/1',
    protocolVersion: '1.3',
    revision: '1',
    userAgent: 'Fake',
    jsVersion: '1',
  },
};
let text = '';
createReadStream('', { fd: 3 })
  .on('data', (bytes) => {
    text += bytes;
    const messages = text.split('\0');
    text = messages.pop();
    for (const { id, method } of messages.map((message) => JSON.parse(message))) {
      writeSync(4, `${JSON.stringify({ id, result: RESULTS[method] ?? {} })}\0`);
      if (method === 'Browser.close') {
        closeSync(4);
        process.exit(0);
      }
    }
  })
  .on('close', () => process.exit(0));
