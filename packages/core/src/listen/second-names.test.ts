import { existsSync, linkSync, mkdtempSync, rmSync, unlinkSync, utimesSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { onListeningHandle } from '../node-private/listening.js';
import { removeLeftNames } from './second-names.js';

function folder() {
  const made = mkdtempSync(path.join(tmpdir(), 'endless-names-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return { file: path.join(made, 'app.sock'), beside: (end: string) => path.join(made, `.app.sock.${end}`) };
}

async function bound(name: string, { listens }: { listens: boolean }): Promise<Server> {
  const server = createServer();
  if (!listens)
    onListeningHandle(server, (handle) => {
      handle.listen = () => 0;
    });
  await new Promise<void>((resolve) => server.listen(name, resolve));
  return server;
}

/** Leaves the socket of a killed process, with this name as its only one. */
async function left(name: string): Promise<void> {
  const server = await bound(`${name}.bound`, { listens: true });
  linkSync(`${name}.bound`, name);
  await new Promise((resolve) => server.close(resolve));
  expect(existsSync(`${name}.bound`)).toBe(false);
}

test.skipIf(process.platform !== 'linux')(
  'a draft that another process has bound just now stays, and so does one that takes long',
  async () => {
    const { file, beside } = folder();
    const draft = beside('abcdefgh');
    const server = await bound(draft, { listens: false });
    onTestFinished(() => void server.close());
    removeLeftNames(file);
    expect(existsSync(draft)).toBe(true);
    utimesSync(draft, 1, 1);
    removeLeftNames(file);
    expect(existsSync(draft)).toBe(true);
  },
);

test.skipIf(process.platform !== 'linux')('a program that listens gets no connection of it', async () => {
  const { file, beside } = folder();
  const server = await bound(beside('abcdefgh'), { listens: true });
  onTestFinished(() => void server.close());
  let connections = 0;
  server.on('connection', (socket) => {
    connections += 1;
    socket.destroy();
  });
  linkSync(beside('abcdefgh'), file);
  linkSync(file, beside('secondly'));
  unlinkSync(beside('abcdefgh'));
  removeLeftNames(file);
  await sleep(50);
  expect(connections).toBe(0);
  expect(existsSync(beside('secondly'))).toBe(true);
});

test('removes what no process has bound: at once beside another name, alone when it is no longer a draft', async () => {
  const { file, beside } = folder();
  await left(beside('abcdefgh'));
  removeLeftNames(file);
  expect(existsSync(beside('abcdefgh'))).toBe(true);
  linkSync(beside('abcdefgh'), file);
  removeLeftNames(file);
  expect(existsSync(beside('abcdefgh'))).toBe(false);
  await left(beside('ijklmnop'));
  utimesSync(beside('ijklmnop'), 1, 1);
  removeLeftNames(file);
  expect(existsSync(beside('ijklmnop'))).toBe(false);
});
