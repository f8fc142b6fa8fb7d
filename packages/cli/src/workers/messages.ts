import type { FromSupervisor, Shapes, ToSupervisor } from '@endless/core/internal';

/**
 * The messages between the supervisor and its workers: JSON over the IPC channel that Node.js gives a child.
 * A worker loads the core of its program, which may be another version: what it sends is checked here.
 */
export { type Asked, type Bound, type CommandChange, RUN_PROTOCOL } from '@endless/core/internal';

/** The messages of a worker. A field that a later version adds is optional: an older worker does not send it. */
export type FromWorker = Exclude<ToSupervisor, { cmd: string }>;

/** The messages to a worker. */
export type ToWorker = FromSupervisor;

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === 'string';
const flag: Check = (value) => typeof value === 'boolean';
const number: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const asked: Check = (value) =>
  isRecord(value) &&
  (text(value.path) || (number(value.port) && (value.host === undefined || text(value.host))));
const bound: Check = (value) =>
  isRecord(value) && (text(value.path) || (number(value.port) && text(value.address)));
const signal: Check = (value) => value === 'SIGTERM' || value === 'SIGKILL';
const command: Check = (value) =>
  isRecord(value) &&
  (value.command === undefined || text(value.command)) &&
  (value.cwd === undefined || text(value.cwd)) &&
  (value.args === undefined || (Array.isArray(value.args) && value.args.every(text))) &&
  (value.env === undefined ||
    (isRecord(value.env) && Object.values(value.env).every((each) => each === null || text(each))));

const SHAPES: Shapes<FromWorker> = {
  hello: { protocol: number, version: text, inspector: (value) => value === undefined || text(value) },
  listening: { asked, bound, backlog: (value) => value === undefined || number(value) },
  closed: { bound },
  search: { id: number },
  copied: { id: number },
  ready: { generation: number, hammerTime: number },
  signalled: {},
  draining: { reason: text, deadline: number },
  spawn: { id: number, handoff: text, restart: command },
  kill: { pid: number, signal },
  committed: { pid: number, moved: number },
  'rolled-back': { pid: number, message: text },
  'not-restarted': { message: text },
  'restart-all': { id: number },
  pong: { rss: number, inspected: flag },
  counts: { connections: number, upgraded: number, requests: number, loop: number },
};

/** Whether a message is one that a worker sends. The program itself cannot reach the channel. */
export function isFromWorker(message: unknown): message is FromWorker {
  if (!isRecord(message) || typeof message.type !== 'string') return false;
  if (!Object.hasOwn(SHAPES, message.type)) return false;
  const shape: Record<string, Check> = SHAPES[message.type as FromWorker['type']];
  return Object.entries(shape).every(([field, check]) => check(message[field]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
