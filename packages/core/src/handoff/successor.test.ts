import { expect, test } from 'vitest';
import type { RawHandle, RawPipe } from '../node-private/handle.js';
import { realWorld } from '../real-world.js';
import { PROTOCOL, type ToPredecessor } from './protocol.js';
import type { Spawned, Spawner, SpawnRequest } from './spawn.js';
import { type ListeningSocket, Successor } from './successor.js';

/** A spawner that starts no child of this process, as a supervisor could: the test plays the new process. */
function elsewhere() {
  const sent: [message: unknown, handle: RawHandle | undefined][] = [];
  const requests: SpawnRequest[] = [];
  const signals: string[] = [];
  let receive: (text: string) => void = () => {};
  let exit: (end: Awaited<Spawned['exited']>) => void = () => {};
  let close = () => {};
  const spawner: Spawner = {
    async start(request) {
      requests.push(request);
      return {
        pid: 4711,
        end: {
          pipe: {} as RawPipe,
          send: (message, handle) => void sent.push([message, handle]),
          read(onRead, onEnd) {
            receive = (text) => onRead(Buffer.from(text), undefined);
            close = onEnd;
            return onEnd;
          },
        },
        exited: new Promise((resolve) => {
          exit = resolve;
        }),
        kill: (signal) => void signals.push(signal),
        release() {},
      };
    },
  };
  const say = (...messages: ToPredecessor[]) =>
    receive(messages.map((message) => `${JSON.stringify(message)}\n`).join(''));
  return {
    spawner,
    sent,
    requests,
    signals,
    say,
    exit(end: Awaited<Spawned['exited']>) {
      exit(end);
      close();
    },
  };
}

const command = { command: 'node', args: ['app.js'], cwd: '/', env: {}, replaced: {} };
const handle = { fd: 9 } as RawHandle;
const socket: ListeningSocket = {
  asked: { port: 80 },
  bound: { address: '::', port: 80 },
  handle,
};

test('a successor that another process starts is handed the sockets, talks, and ends like a child', async () => {
  const other = elsewhere();
  const request = { command, generation: 3, surroundings: {} };
  const successor = await Successor.start(realWorld, other.spawner, request, [socket]);
  expect(other.requests).toEqual([{ ...request, sockets: [{ asked: socket.asked, bound: socket.bound }] }]);
  expect([successor.pid, other.sent]).toEqual([4711, []]);

  const got: string[] = [];
  other.say(
    { type: 'hello', protocol: PROTOCOL, version: '1' },
    { type: 'stderr', text: 'no database' },
    { type: 'unready', message: 'sorry' },
  );
  expect(other.sent).toEqual([[{ type: 'socket', index: 0 }, handle]]);
  successor.inbox.open({ hello: () => got.push('hello'), unready: ({ message }) => got.push(message) });
  expect(got).toEqual(['hello', 'sorry']);

  successor.kill();
  other.exit({ exitCode: null, signal: 'SIGKILL' });
  expect(await successor.ended).toEqual({
    pid: 4711,
    exitCode: null,
    signal: 'SIGKILL',
    stderr: 'no database',
  });
  expect(other.signals).toEqual(['SIGKILL']);
});

test('messages to a successor that hands its channel on wait until the next process reads', async () => {
  const other = elsewhere();
  const successor = await Successor.start(
    realWorld,
    other.spawner,
    { command, generation: 3, surroundings: {} },
    [],
  );
  successor.pause();
  successor.send({ type: 'last' });
  expect([successor.paused, other.sent.map(([message]) => message)]).toEqual([true, [{ type: 'paused' }]]);
  const said = successor.said();
  successor.resume(4712);
  await said;
  expect([successor.reader, successor.paused]).toEqual([4712, false]);
  expect(other.sent.map(([message]) => message)).toEqual([{ type: 'paused' }, { type: 'last' }]);
});
