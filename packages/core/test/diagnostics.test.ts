import { expect, test } from 'vitest';
import { CHANNEL_NAMES, EVENT_NAMES } from '../dist/events.js';
import { fixture, getJson, hup, RawClient, serve, until } from './program.js';

const CHANNEL_OF = new Map(EVENT_NAMES.map((name, at) => [name as string, CHANNEL_NAMES[at]]));

test('each event is published on its channel, in order and with the same object, in every process', async () => {
  const { program, port, fault } = await serve(
    'app.mjs',
    { hammerTime: 3_000, rollbackWindow: 1_000 },
    {
      execArgv: ['--import', fixture('channels.mjs')],
      env: { CHANNELS: JSON.stringify(CHANNEL_NAMES) },
    },
  );
  const linesOf = (kind: string) =>
    [...program.stdout.matchAll(new RegExp(`^${kind} (\\S+) (\\d+ .*)$`, 'gm'))].map(
      ([, name = '', rest]) => [name, rest] as const,
    );
  const told = (name: string, pid: number) => program.waitFor(`channel endless:${name} ${pid} `);

  fault('exit-3');
  program.signal('SIGHUP');
  await told('failed', program.pid);
  fault();
  const first = await hup(program);
  // A process killed between its two lines of one event would have printed only one of them.
  await program.waitFor(`event ready ${first} `);
  program.signal('SIGKILL', first);
  await told('rollback', program.pid);

  const client = new RawClient(port).get('/');
  await client.receive(/generation 0/);
  const second = await hup(program);
  await told('migrated', program.pid);
  await told('migrated', second);
  await told('drained', program.pid);
  client.get('/never');
  await until(async () => (await getJson<{ activeRequests: number }>(port, '/stats')).activeRequests === 2);
  program.signal('SIGTERM', second);
  await program.waitFor(`event draining ${second} `);
  program.signal('SIGUSR2', second);
  await program.waitForPids(0);

  // Two processes write at once; the lines of each are in order.
  const channels = linesOf('channel');
  for (const pid of new Set(channels.map(([, rest = '']) => rest.split(' ', 1)[0]))) {
    const of = (lines: typeof channels) => lines.filter(([, rest]) => rest?.startsWith(`${pid} `));
    expect(of(channels).filter(([name]) => name !== 'endless:migrated')).toEqual(
      of(linesOf('event')).map(([name, rest]) => [CHANNEL_OF.get(name), rest]),
    );
  }
  expect(new Set(channels.map(([name]) => name))).toEqual(new Set(CHANNEL_NAMES));
});

test('NODE_DEBUG=endless shows the messages and phases of both processes, and no secret', async () => {
  const settings = { restart: { env: { TOKEN: 'secret-value' } }, rollbackWindow: 100 };
  const { program } = await serve('app.mjs', settings, { env: { NODE_DEBUG: 'endless' } });
  const pid = await hup(program);
  await until(() =>
    program.stderr.includes(`ENDLESS ${program.pid}: generation 0: shutting-down -> terminated`),
  );
  const lines = program.stderr.split('\n').flatMap((line) => /^ENDLESS (.*)/.exec(line)?.[1] ?? []);
  const story = [
    `${program.pid}: generation 0: init -> running`,
    `${program.pid}: generation 0, to generation 1, pid ${pid}: environment replaced={1}`,
    `${pid}: generation 1, from generation 0, pid ${program.pid}: socket index=0 +handle`,
    `${program.pid}: generation 0, from generation 1, pid ${pid}: ready dropped=[]`,
    `${pid}: generation 1: init -> running`,
    `${program.pid}: generation 0, to generation 1, pid ${pid}: committed`,
    `${program.pid}: generation 0: running -> shutting-down`,
  ];
  for (const line of story) expect(lines).toContain(line);
  expect(program.stderr).not.toContain('secret-value');
});
