import type { Handoff, ToPredecessor, ToSuccessor } from './protocol.js';

/**
 * Input from another process is validated: a field of a wrong type would throw far from here, in a process
 * that serves.
 */
export type Check = (value: unknown) => boolean;

/** For each message the check of each of its fields. */
export type Shapes<Word extends { type: string }> = {
  [Each in Word as Each['type']]: { [Field in Exclude<keyof Each, 'type'>]-?: Check };
};

/** The check of a text. */
export const text: Check = (value) => typeof value === 'string';
const flag: Check = (value) => typeof value === 'boolean';
/** The check of a finite number. */
export const number: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const texts: Check = (value) => Array.isArray(value) && value.every(text);
const numbers: Check = (value) => Array.isArray(value) && value.every(number);
const pieces: Check = (value) =>
  Array.isArray(value) && value.every((piece) => Array.isArray(piece) && number(piece[0]) && text(piece[1]));
const pairs: Check = (value) =>
  Array.isArray(value) && value.every((pair) => numbers(pair) && (pair as number[]).length === 2);
const textsByName: Check = (value) => isRecord(value) && Object.values(value).every(text);
const textsOrNulls: Check = (value) =>
  isRecord(value) && Object.values(value).every((each) => each === null || text(each));

const TO_SUCCESSOR: Shapes<ToSuccessor> = {
  socket: { index: number },
  go: { tickets: textsByName, window: number },
  environment: { replaced: textsOrNulls },
  'restart-again': {},
  connection: { id: number, address: text, used: flag },
  payload: { pieces },
  offer: { id: number, protocol: text, address: text },
  transfer: { ids: numbers },
  'socket-message': { id: number, reply: number },
  settle: {},
  last: {},
  committed: {},
  paused: {},
  busy: {},
  older: { generation: number, last: flag, routes: pairs },
  retire: { deadline: number },
};

const TO_PREDECESSOR: Shapes<ToPredecessor> = {
  hello: { protocol: number, version: text },
  stderr: { text },
  'listener-copy': { address: text },
  claims: { labels: texts, waiting: texts },
  ready: { dropped: texts },
  unready: { message: text, stops: (value) => value === undefined || flag(value) },
  accepting: {},
  'check-failed': { message: text },
  'check-passed': {},
  'restart-asked': {},
  moved: { ids: numbers, lost: numbers },
  protocols: { names: texts },
  adopts: {},
  adopted: { generation: number, done: flag },
  pause: {},
  resume: { pid: number },
  answer: { accepted: numbers, refused: numbers },
  told: { done: pairs, ended: numbers },
  keeps: { addresses: texts },
  stop: { deadline: number, idleGrace: number },
  newest: { pid: number },
  prune: { left: number },
};

/** Whether a message is one that an old process sends. */
export function isToSuccessor(message: unknown): message is ToSuccessor {
  return hasShape(message, TO_SUCCESSOR);
}

/** Whether a message is one that a successor sends. */
export function isToPredecessor(message: unknown): message is ToPredecessor {
  return hasShape(message, TO_PREDECESSOR);
}

/** The handoff in a text, or why it is invalid. */
export function handoffOf(given: string): Handoff | string {
  const handoff = recordOf(given);
  if (typeof handoff === 'string') return handoff;
  const { generation, sockets, notify, pidFile, foreground } = handoff;
  if (!Number.isSafeInteger(generation) || (generation as number) < 1)
    return 'its `generation` is not a whole number above 0';
  if (!Array.isArray(sockets) || !sockets.every(isSocket)) return 'its `sockets` is not a list of sockets';
  if (notify !== undefined && !Number.isInteger(notify)) return 'its `notify` is not a file descriptor';
  if (pidFile !== undefined && !Number.isInteger(pidFile)) return 'its `pidFile` is not a file descriptor';
  if (foreground !== undefined && typeof foreground !== 'boolean')
    return 'its `foreground` is not true or false';
  return handoff as unknown as Handoff;
}

/** The object that a text describes, or why it describes none. */
export function recordOf(given: string): Record<string, unknown> | string {
  try {
    const value: unknown = JSON.parse(given);
    return isRecord(value) ? value : 'it is not an object';
  } catch {
    return 'it is not JSON';
  }
}

/** Whether a value names a listening socket: as it was asked for, and as the kernel knows it. */
export function isSocket(socket: unknown): socket is Record<string, unknown> {
  if (!isRecord(socket)) return false;
  const { asked, bound, kept } = socket;
  if (kept !== undefined && !text(kept)) return false;
  if (!isRecord(asked) || !isRecord(bound)) return false;
  const askedFor = text(asked.path) || (number(asked.port) && (asked.host === undefined || text(asked.host)));
  return askedFor && (text(bound.path) || (number(bound.port) && text(bound.address)));
}

/** Whether a value is a message of one of these shapes. */
export function hasShape(message: unknown, shapes: Record<string, Record<string, Check>>): boolean {
  if (!isRecord(message) || typeof message.type !== 'string') return false;
  if (!Object.hasOwn(shapes, message.type)) return false;
  return Object.entries(shapes[message.type] ?? {}).every(([field, check]) => check(message[field]));
}

/** Whether a value is an object with names, and not a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
