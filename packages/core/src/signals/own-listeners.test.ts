import { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { realWorld } from '../real-world.js';
import { OwnListeners } from './own-listeners.js';

/** A program with signal listeners; `calls` lists those that ran, in order. */
function program() {
  const signals = new EventEmitter();
  const calls: string[] = [];
  const ours = () => void calls.push('endless');
  let withholds = true;
  signals.on('SIGHUP', ours);
  const listeners = new OwnListeners({
    world: { ...realWorld, signals },
    isOurs: (listener) => listener === ours,
    withholds: () => withholds,
  });
  const named = (name: string) => () => void calls.push(name);
  const allow = () => {
    withholds = false;
  };
  return { signals, calls, ours, listeners, named, allow };
}

test('a listener behind a gate does not run at the signal, and runs once it is run', () => {
  const { signals, calls, listeners } = program();
  signals.on('SIGHUP', (...args) => calls.push(args.join(' ')));
  listeners.gate(['SIGHUP']);
  signals.emit('SIGHUP', 'SIGHUP', 1);
  expect(calls).toEqual(['endless']);
  listeners.run(['SIGHUP', 'SIGTERM']);
  expect(calls).toEqual(['endless', 'SIGHUP 1']);
});

test('a listener that is added later has a gate in the next turn', async () => {
  const { signals, calls, listeners, named } = program();
  listeners.gate(['SIGHUP']);
  signals.on('SIGHUP', named('later'));
  signals.prependListener('SIGHUP', named('in front'));
  await nextTurn();
  signals.emit('SIGHUP');
  expect(calls).toEqual(['endless']);
});

test('gated listeners stay what they are to `listeners`, `listenerCount` and `off`', () => {
  const { signals, calls, ours, listeners, named } = program();
  const [first, second, once] = [named('first'), named('second'), named('once')];
  signals.on('SIGHUP', first).once('SIGHUP', once).on('SIGHUP', second);
  listeners.gate(['SIGHUP']);
  expect(signals.listeners('SIGHUP')).toEqual([ours, first, once, second]);
  signals.off('SIGHUP', first);
  expect(signals.listeners('SIGHUP')).toEqual([ours, once, second]);
  expect(signals.listenerCount('SIGHUP')).toBe(3);
  listeners.run(['SIGHUP']);
  listeners.run(['SIGHUP']);
  expect(calls).toEqual(['once', 'second', 'second']);
  expect(signals.listeners('SIGHUP')).toEqual([ours, second]);
});

test('the order of listeners stays, also when one comes in between', async () => {
  const { signals, calls, listeners, named, allow } = program();
  signals.on('SIGHUP', named('a'));
  listeners.gate(['SIGHUP']);
  signals.on('SIGHUP', named('c'));
  signals.prependListener('SIGHUP', named('b'));
  await nextTurn();
  allow();
  signals.emit('SIGHUP');
  expect(calls.filter((call) => call !== 'endless')).toEqual(['b', 'a', 'c']);
});

test('a gate lets a signal through that it need not hold back, and a `once` runs once', () => {
  const { signals, calls, listeners, named, allow } = program();
  signals.once('SIGHUP', named('once'));
  listeners.gate(['SIGHUP']);
  allow();
  signals.emit('SIGHUP');
  signals.emit('SIGHUP');
  expect(calls).toEqual(['endless', 'once', 'endless']);
});

test('after `stop` nothing is held back', () => {
  const { signals, calls, listeners, named } = program();
  signals.on('SIGHUP', named('own'));
  listeners.gate(['SIGHUP']);
  listeners.stop();
  signals.on('SIGHUP', named('later'));
  signals.emit('SIGHUP');
  expect(calls).toEqual(['endless', 'own', 'later']);
});

test('code that listens to both signals runs once, for the last', () => {
  const { signals, calls, listeners, named } = program();
  const both = (signal: string) => void calls.push(`both ${signal}`);
  for (const signal of ['SIGHUP', 'SIGTERM']) {
    signals.on(signal, both);
    signals.on(signal, () => calls.push(`closure ${signal}`));
  }
  signals.on('SIGHUP', named('SIGHUP alone'));
  listeners.gate(['SIGHUP']);
  listeners.run(['SIGHUP', 'SIGTERM']);
  expect(calls).toEqual(['SIGHUP alone', 'both SIGTERM', 'closure SIGTERM']);
});

test('a listener that an earlier one takes off does not run', () => {
  const { signals, calls, listeners, named } = program();
  const second = named('second');
  signals.on('SIGHUP', () => signals.off('SIGTERM', second));
  signals.on('SIGTERM', second);
  listeners.gate(['SIGHUP']);
  listeners.run(['SIGHUP', 'SIGTERM']);
  expect(calls).toEqual([]);
});

test('counts no listener of endless, and none of signal-exit', () => {
  const { signals, listeners, named } = program();
  expect(listeners.count('SIGHUP')).toBe(0);
  signals.on('SIGHUP', named('signal-exit'));
  Object.defineProperty(process, '__signal_exit_emitter__', { value: { count: 1 }, configurable: true });
  expect(listeners.count('SIGHUP')).toBe(0);
  Reflect.deleteProperty(process, '__signal_exit_emitter__');
  expect(listeners.count('SIGHUP')).toBe(1);
});
