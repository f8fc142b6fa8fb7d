import { once } from 'node:events';
import net from 'node:net';
import { rowsOf, rowTest, test } from '@endless/conformance';
import { expect, onTestFinished } from 'vitest';
import { hup, newestPid, serve, until } from './program.js';

/** A connection with a name, and the lines that it has received. */
async function open(port: number, name: string) {
  const socket = net.connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes;
  });
  await once(socket, 'connect');
  const say = async (line: string) => {
    const before = text.length;
    socket.write(line);
    await until(() => text.length > before || socket.destroyed);
    return text.trim().split('\n').at(-1);
  };
  expect(await say(`name ${name}`)).toBe(`${name} 0`);
  return { socket, say, text: () => text };
}

/** The callback that fails, its log line, and whether its connection lives on. */
const CASES: [fails: string, log: string, lives: boolean][] = [
  ['told', 'A message for a socket of lines failed, and the socket is closed: told as asked', false],
  ['restore', 'Restoring a socket of lines failed: restore as asked', false],
  ['left', 'A socket of lines has moved, and a callback of it threw: left as asked', true],
  ['done', 'A socket of lines has moved, and a callback of it threw: done as asked', true],
  ['listener', "A listener of 'committed' threw: listener as asked", true],
  ['beforeBegin', 'A beforeBegin hook threw: beforeBegin as asked', true],
];
const WAYS = ['throws', 'rejects'];
/** Of these one way is enough: both come to the same line. */
const ALIKE = ['left', 'done', 'beforeBegin'];

rowTest.each(
  rowsOf(
    CASES.flatMap(([fails, log, lives]) =>
      (ALIKE.includes(fails) ? ['rejects'] : WAYS).map((way) => [fails, way, log, lives] as const),
    ),
    ([, way]) => way === 'rejects',
  ),
)('a callback that fails is reported, and both processes live: %s %s', async (fails, way, log, lives) => {
  const { program, port } = await serve('failing.mjs', { fails: `${fails} ${way}` });
  const [bad, good] = await Promise.all([open(port, 'bad'), open(port, 'good')]);
  await hup(program);
  await program.waitFor(log, { from: 'stderr' });
  await program.waitForPids(1);
  expect(await good.say('who')).toBe('good 1');
  if (lives) expect(await bad.say('who')).toBe('bad 1');
  else await until(() => bad.socket.destroyed);
  expect(program.stderr).not.toContain('Rolled back');
  expect(newestPid(program)).not.toBe(program.pid);
});

rowTest.each(rowsOf(WAYS, (way) => way === 'throws'))(
  'an end that %s is reported, and the others are told',
  async (way) => {
    const { program, port } = await serve('failing.mjs', { fails: `end ${way}` });
    const [bad, good] = await Promise.all([open(port, 'bad'), open(port, 'good')]);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stderr).toContain(
      'Ending a socket of lines failed, and the socket is closed: end as asked',
    );
    await until(() => bad.socket.destroyed && good.socket.destroyed);
    expect(good.text()).toContain('bye shutdown');
    expect(bad.text()).not.toContain('bye');
  },
);

test.each([
  ['throws', 'save as asked'],
  ['rejects', '`save` returned a promise, but must return its result at once'],
])('a save that %s keeps its socket in the old process, which ends well', async (way, why) => {
  const { program, port } = await serve('failing.mjs', { fails: `save ${way}` });
  const [bad, good] = await Promise.all([open(port, 'bad'), open(port, 'good')]);
  await hup(program);
  await program.waitForPids(1);
  expect(program.stderr).toContain(`Saving a socket of lines failed, so it does not move: ${why}`);
  expect(await good.say('who')).toBe('good 1');
  await until(() => bad.socket.destroyed);
  expect(bad.text()).toContain('bye restart');
});

rowTest.each(rowsOf(WAYS, (way) => way === 'throws'))(
  'what is called at the end of a moved socket and %s is reported',
  async (way) => {
    const { program, port } = await serve('failing.mjs', {
      fails: `ended ${way}`,
      settings: { rollbackWindow: 2_000 },
    });
    const [bad, good] = await Promise.all([open(port, 'bad'), open(port, 'good')]);
    await hup(program);
    await until(() => bad.text().includes('told'));
    bad.socket.destroy();
    await program.waitFor('A socket of lines has moved, and a callback of it threw: ended as asked', {
      from: 'stderr',
    });
    await program.waitForPids(1);
    expect(await good.say('who')).toBe('good 1');
  },
);

test('a listener of `connection` that throws for a moved connection is uncaught as before, and the others move', async () => {
  const { program, port } = await serve('throwing.mjs');
  const ask = async (socket: net.Socket) => {
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    return String((await once(socket, 'data'))[0]).slice(-1);
  };
  const sockets = await Promise.all(
    Array.from({ length: 30 }, async () => {
      const socket = net.connect(port, '127.0.0.1');
      onTestFinished(() => void socket.destroy());
      expect(await ask(socket)).toBe('0');
      return socket;
    }),
  );
  await hup(program);
  await program.waitForPids(1);
  await program.waitFor('uncaught the third');
  expect(await Promise.all(sockets.map(ask))).toEqual(sockets.map(() => '1'));
});
