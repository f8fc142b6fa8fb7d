import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, test } from '@endless/conformance';
import { expect, onTestFinished } from 'vitest';
import { hup, serve, until } from './program.js';

/** A connection, with the lines that it has received. */
async function open(port: number) {
  const socket = net.connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes;
  });
  await once(socket, 'connect');
  const heard = () => text.split('\n').slice(0, -1);
  const say = async (line: string, behind = '') => {
    const before = heard().length;
    socket.write(`${line}\n${behind}`);
    await until(() => heard().length > before || socket.destroyed);
    return heard().at(-1);
  };
  return { socket, heard, say };
}

/**
 * Sizes at which what travels in front of a handle fills a read of 64 KiB almost, quite or more than that, with a small one
 * behind it: the line of the handle is cut anywhere, and the next handle comes with its end.
 */
const bag = (at: number) => (at % 2 === 0 ? 48_850 + at : 0);

longTest('300 sockets with bags each find their own again, and half a line goes along', async () => {
  const { program, port } = await serve('lines.mjs');
  const clients = await Promise.all(Array.from({ length: 300 }, () => open(port)));
  for (const [at, { socket }] of clients.entries()) socket.write(`name ${at}\nbag ${bag(at)}\nwh`);
  await sleep(300);
  for (const generation of [1, 2, 3]) {
    await hup(program);
    await program.waitForPids(1);
    const answers = await Promise.all(clients.map(({ say }) => say('o', 'wh')));
    expect(answers).toEqual(clients.map((_, at) => `${at} ${bag(at)} ${generation}`));
  }
  expect(clients.filter(({ socket }) => socket.destroyed)).toEqual([]);
});

test('a message to a socket that has moved reaches it in the new process, and half a line goes along', async () => {
  const { program, port } = await serve('lines.mjs');
  const client = await open(port);
  client.socket.write('name Ada\nlater 600\nwh');
  await sleep(50);
  await hup(program);
  await hup(program);
  await until(() => client.heard().length === 1);
  expect(client.heard()).toEqual(['told Ada']);
  expect(await client.say('o')).toBe('Ada 0 2');
  await program.waitForPids(1);
});

describe('a socket that cannot move is told so, each in its time', () => {
  test.each([
    ['never', {}],
    ['later', {}],
    ['nothing', { name: 'other lines' }],
    ['nothing', { settings: { migrate: false } }],
  ])('%s: %j', async (keep, settings) => {
    const { program, port } = await serve('lines.mjs', settings);
    const client = await open(port);
    if (keep !== 'nothing') client.socket.write(`keep ${keep}\n`);
    expect(await client.say('who')).toBe('unknown 0 0');
    await hup(program);
    expect(client.heard()).toHaveLength(1);
    await until(() => client.heard().length === 2);
    expect(client.heard()[1]).toBe('bye restart');
    await program.waitForPids(1);
  });

  test('and every one on a shutdown', async () => {
    const { program, port } = await serve('lines.mjs');
    const client = await open(port);
    expect(await client.say('who')).toBe('unknown 0 0');
    program.signal('SIGTERM');
    await until(() => client.heard().length === 2);
    expect(client.heard()[1]).toBe('bye shutdown');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });
});

test('a successor that dies before the commit gives back those that were not its own yet', async () => {
  const { program, port } = await serve('lines.mjs', { settings: { rollbackWindow: 2_000 } });
  const clients = await Promise.all(Array.from({ length: 300 }, () => open(port)));
  for (const [at, { socket }] of clients.entries()) socket.write(`name ${at}\nbag 100000\nwho\n`);
  await until(() => clients.every(({ heard }) => heard().length === 1), 10_000);
  const pid = await hup(program);
  program.signal('SIGKILL', pid);
  await program.waitForPids(1);
  await sleep(200);
  const alive = clients.filter(({ socket }) => !socket.destroyed);
  const ask = async (generation: number) => {
    const answers = await Promise.all(alive.map(({ say }) => say('who')));
    expect(answers).toEqual(alive.map((client) => `${clients.indexOf(client)} 100000 ${generation}`));
  };
  await ask(0);
  expect(alive.length).toBeGreaterThan(0);
  // They can move another time.
  await hup(program);
  await program.waitForPids(1);
  await ask(1);
});

longTest('a rollback while sockets are on their way leaves none without an owner', async () => {
  const { program, port } = await serve('lines.mjs', { unwell: true, settings: { rollbackWindow: 10_000 } });
  const clients = await Promise.all(Array.from({ length: 300 }, () => open(port)));
  for (const [at, { socket }] of clients.entries()) socket.write(`name ${at}\nbag 1000\nkeep later\nwho\n`);
  await until(() => clients.every(({ heard }) => heard().length === 1), 10_000);
  program.signal('SIGHUP');
  await program.waitFor('stuck');
  for (const { socket } of clients) socket.write('keep\n');
  await program.waitFor('Rolled back');
  // As many as may be between two owners at once.
  expect(program.stderr + program.stdout).toContain(' 0 connections had moved');
  // Those that were in the successor get a message of that, and the others are served as before.
  for (const { socket } of clients) socket.write('who\n');
  await until(() => clients.every(({ heard }) => heard().length > 1), 10_000);
  expect(clients.map(({ heard }) => heard()[1])).toEqual(clients.map((_, at) => `${at} 1000 0`));
  await program.waitForPids(1);
});
