// Holds what HOLDS names, at once or, with HOLDS_WHEN=free, as soon as the old process has released it.
import { existsSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { listener, port, server, sleep } from './service.mjs';

const folder = path.dirname(process.env.CLEANUP_LOG);
const second = Number(process.env.SECOND_PORT);

/** How each thing is taken; resolves with how it is given back. */
const THINGS = {
  async udp(options = {}) {
    const { createSocket } = await import('node:dgram');
    const socket = createSocket({ type: 'udp4', ...options });
    await new Promise((resolve, reject) => socket.once('error', reject).bind(second, '127.0.0.1', resolve));
    return () => new Promise((resolve) => socket.close(resolve));
  },
  'udp-reuse': () => THINGS.udp({ reuseAddr: true }),
  async level() {
    const { ClassicLevel } = await import('classic-level');
    const database = new ClassicLevel(path.join(folder, 'db'));
    await database.open();
    return () => database.close();
  },
  async lockfile() {
    const { default: lockfile } = await import('proper-lockfile');
    const file = path.join(folder, 'state.json');
    if (!existsSync(file)) writeFileSync(file, '{}');
    return lockfile.lock(file);
  },
  async pid() {
    const file = path.join(folder, 'own.pid');
    const lives = (pid) => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    };
    if (existsSync(file) && lives(Number(readFileSync(file, 'utf8')))) throw new Error('already running');
    writeFileSync(file, String(process.pid));
    return () => unlinkSync(file);
  },
  async sqlite() {
    const { DatabaseSync } = await import('node:sqlite');
    const database = new DatabaseSync(path.join(folder, 'db.sqlite'));
    database.exec(
      'PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE IF NOT EXISTS a (b); INSERT INTO a VALUES (1)',
    );
    return () => database.close();
  },
  async metrics() {
    const metrics = createServer(listener);
    await new Promise((resolve) => metrics.listen(second, resolve));
    return () => {};
  },
  async nothing() {
    return () => {};
  },
};
const take = THINGS[process.env.HOLDS];

/** Takes it once no other process has it. */
async function takeWhenFree() {
  for (;;)
    try {
      return await take();
    } catch {
      await sleep(50);
    }
}

if (process.env.HOLDS_WHEN === 'free') {
  const { endless } = await import('@endless/core');
  let giveBack;
  // The new process serves without it at first; the old one releases it at the commit.
  void takeWhenFree().then((undo) => {
    giveBack = undo;
    console.log(`holds ${process.pid}`);
  });
  endless.signal.addEventListener('abort', () => giveBack?.());
} else await take();
server.listen(port);
