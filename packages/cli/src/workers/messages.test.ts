import { expect, test } from 'vitest';
import { isFromWorker } from './messages.js';

const bound = { address: '::', port: 80 };

test('each message of a worker is known', () => {
  for (const message of [
    { type: 'hello', protocol: 1, version: '0.1.0' },
    { type: 'listening', asked: { port: 80 }, bound },
    { type: 'listening', asked: { path: '/a' }, bound: { path: '/a' }, backlog: 511 },
    { type: 'closed', bound },
    { type: 'search', id: 1 },
    { type: 'copied', id: 1 },
    { type: 'ready', generation: 0, hammerTime: -1 },
    { type: 'draining', reason: 'shutdown', deadline: -1 },
    { type: 'signalled' },
    { type: 'spawn', id: 1, handoff: '{}', restart: {} },
    { type: 'spawn', id: 1, handoff: '{}', restart: { args: ['a'], env: { A: 'a', B: null } } },
    { type: 'kill', pid: 7, signal: 'SIGTERM' },
    { type: 'committed', pid: 7, moved: 0 },
    { type: 'rolled-back', pid: 7, message: 'why' },
    { type: 'not-restarted', message: 'why' },
    { type: 'restart-all', id: 1 },
    { type: 'pong', rss: 1, inspected: false },
    { type: 'counts', connections: 3, upgraded: 1, requests: 1, loop: 0.4 },
  ])
    expect([message, isFromWorker(message)]).toEqual([message, true]);
});

test('anything else is dropped', () => {
  for (const message of [
    ...[undefined, null, 1, 'ready', [], {}],
    { type: 'constructor' },
    { type: 'listening', asked: { port: '80' }, bound },
    { type: 'listening', asked: { port: 80 }, bound, backlog: '511' },
    { type: 'closed', bound: [] },
    { type: 'search' },
    { type: 'copied', id: '1' },
    { type: 'ready', generation: '0', hammerTime: 0 },
    { type: 'draining', reason: 'shutdown', deadline: '1' },
    { type: 'counts', connections: 1, upgraded: 0, requests: 0, loop: null },
    { type: 'kill', pid: 7, signal: 'SIGSTOP' },
    { type: 'kill', pid: '-1', signal: 'SIGKILL' },
    { type: 'spawn', id: 1, handoff: '{}', restart: { args: 'a' } },
    { type: 'spawn', id: 1, handoff: '{}', restart: { env: { A: 1 } } },
    { type: 'spawn', id: 1, handoff: '{}' },
  ])
    expect([message, isFromWorker(message)]).toEqual([message, false]);
});
