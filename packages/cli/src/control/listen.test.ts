import { once } from 'node:events';
import { linkSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { listenOnControl } from './listen.js';

test('a stale socket is replaced whose path is nearly as long as one can be', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const socketPath = path.join(folder, 's'.repeat(102 - Buffer.byteLength(folder)));
  expect(Buffer.byteLength(socketPath)).toBe(103);
  const killed = createServer();
  await once(killed.listen(socketPath), 'listening');
  // The server removes only its own name.
  const other = path.join(folder, 'other');
  linkSync(socketPath, other);
  await once(killed.close(), 'close');
  renameSync(other, socketPath);
  const server = createServer();
  onTestFinished(() => void server.close());
  await listenOnControl(server, socketPath);
  expect(readdirSync(folder)).toEqual([path.basename(socketPath)]);
});
