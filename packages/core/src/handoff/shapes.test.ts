import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { realWorld } from '../real-world.js';
import { Inheritance } from './inheritance.js';
import { HANDOFF_VARIABLE, type Handoff } from './protocol.js';
import { handoffOf, isToPredecessor, isToSuccessor } from './shapes.js';

const handoff: Handoff = {
  protocol: 2,
  pid: 1,
  generation: 1,
  sockets: [
    { asked: { port: 80, host: 'localhost' }, bound: { address: '127.0.0.1', port: 80 } },
    { asked: { path: '/run/app.sock' }, bound: { path: '/run/app.sock' }, activated: true },
  ],
  notify: 4,
  foreground: true,
};

const goodWords = {
  successor: [
    { type: 'socket', index: 0 },
    { type: 'go', tickets: { ':80': 'a2V5' }, window: 2_000 },
    { type: 'restart-again' },
    { type: 'connection', id: 1, address: ':80', used: true },
    { type: 'settle' },
  ],
  predecessor: [
    { type: 'hello', protocol: 1, version: '1.0.0' },
    { type: 'claims', labels: [':80'], waiting: [] },
    { type: 'ready', dropped: [] },
    { type: 'unready', message: 'no' },
    { type: 'unready', message: 'no', stops: true },
    { type: 'accepting' },
    { type: 'check-failed', message: 'no' },
    { type: 'check-passed' },
    { type: 'restart-asked' },
    { type: 'stop', deadline: -1, idleGrace: 5_000 },
    { type: 'newest', pid: 7 },
    { type: 'prune', left: 3 },
  ],
};

/** A copy of the value in which one part, anywhere inside, is replaced by another value. */
function nearly(value: object): fc.Arbitrary<unknown> {
  const paths = pathsOf(value);
  return fc.tuple(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 2 })).map(([at, other]) => {
    const copy = structuredClone({ value }) as Record<string, unknown>;
    let inside = copy;
    for (const step of ['value', ...at].slice(0, -1)) inside = inside[step] as Record<string, unknown>;
    inside[['value', ...at].at(-1) as string] = other;
    return copy.value;
  });
}

function pathsOf(value: unknown, at: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...at, key]))];
}

describe('a handoff', () => {
  test('that is one is read as it was written', () => {
    expect(handoffOf(JSON.stringify(handoff))).toEqual(handoff);
  });

  test(`in the environment (${HANDOFF_VARIABLE}) that is any text is read or refused, and never throws`, () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
        expect(typeof handoffOf(text)).toMatch(/^(string|object)$/);
      }),
      { numRuns: 2_000 },
    );
  });

  test('that is nearly one is refused, or names sockets that need not come', () => {
    fc.assert(
      fc.property(nearly(handoff), (other) => {
        const read = handoffOf(JSON.stringify(other) ?? '');
        if (typeof read === 'string') return;
        const inheritance = new Inheritance(realWorld, read.sockets);
        const refused = [...read.sockets, {}].map((_socket, index) => inheritance.arrive(index, undefined));
        expect(refused.filter(Boolean)).toHaveLength(read.sockets.length);
        expect(inheritance.open().failed).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a word', () => {
  test('of each side is known to the other side, and to no one else', () => {
    for (const word of goodWords.successor)
      expect([isToSuccessor(word), isToPredecessor(word)]).toEqual([true, false]);
    for (const word of goodWords.predecessor)
      expect([isToPredecessor(word), isToSuccessor(word)]).toEqual([true, false]);
  });

  test('that is anything is known or not, and never throws; one with a field of another kind is not', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (any) => {
        expect([isToSuccessor(any), isToPredecessor(any)]).toEqual([false, false]);
      }),
    );
    for (const [word, key, value] of [
      ['ready', 'dropped', 'all'],
      ['ready', 'dropped', [1]],
      ['claims', 'labels', null],
      ['stop', 'deadline', '0'],
      ['moved', 'ids', { length: 3 }],
      ['unready', 'message', {}],
      ['unready', 'stops', 'yes'],
      ['newest', 'pid', '7'],
      ['__proto__', 'a', 1],
      ['constructor', 'a', 1],
      ['toString', 'a', 1],
    ] as const)
      expect(isToPredecessor({ type: word, [key]: value })).toBe(false);
    expect(isToSuccessor({ type: 'go', tickets: { a: 1 } })).toBe(false);
  });
});
