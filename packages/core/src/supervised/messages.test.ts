import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFromSupervisor, RUN_PROTOCOL, workerStartOf } from './messages.js';

const start = {
  ...{ protocol: RUN_PROTOCOL, pid: 7, index: 1, generation: 3 },
  sockets: [{ fd: 4, asked: { port: 80 }, bound: { address: '::', port: 80 } }],
};

test('the start of a worker is read as it was written', () => {
  expect(workerStartOf(JSON.stringify(start))).toEqual(start);
});

test.each([
  ['{', 'it is not JSON'],
  ['[]', 'it is not an object'],
])('the start %j is refused: %s', (given, reason) => {
  expect(workerStartOf(given)).toBe(reason);
});

test('any other text is read or refused, and never throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
      expect(typeof workerStartOf(text)).toMatch(/^(string|object)$/);
    }),
  );
});

test.each([
  { protocol: 0 },
  { index: -1 },
  { index: '0' },
  { generation: 1.5 },
  { settings: 2 },
  { sockets: {} },
  { sockets: [{ ...start.sockets[0], fd: '4' }] },
  { sockets: [{ fd: 4, asked: {}, bound: {} }] },
])('a start with %j is refused', (change) => {
  expect(typeof workerStartOf(JSON.stringify({ ...start, ...change }))).toBe('string');
});

test('a message with a field of another kind is unknown', () => {
  const bound = { address: '::', port: 80 };
  for (const message of [
    { type: 'restart' },
    { type: 'cancel' },
    { type: 'tickets', secret: { base64: 'AAAA' } },
    { type: 'ping' },
    { type: 'count' },
    { type: 'drop', bound },
    { type: 'copy', id: 1 },
    { type: 'searched', id: 1, others: 0 },
    { type: 'socket', asked: { port: 80 }, bound },
    { type: 'exited', pid: 7, exitCode: null, signal: 'SIGKILL' },
  ])
    expect(isFromSupervisor(message)).toBe(true);
  for (const message of [
    { type: 'drop', bound: {} },
    { type: 'socket', asked: {}, bound },
    { type: 'socket', asked: { port: '80' }, bound },
    { type: 'exited', pid: '7', exitCode: null, signal: null },
    { type: 'spawned', id: 1 },
    { type: 'copy' },
    { type: 'searched', id: 1 },
    { type: 'tickets', secret: 'AAAA' },
    { type: 'constructor' },
  ])
    expect(isFromSupervisor(message)).toBe(false);
  fc.assert(
    fc.property(fc.jsonValue(), (any) => {
      expect(isFromSupervisor(any)).toBe(false);
    }),
  );
});
