/**
 * The messages between the supervisor and its workers: JSON over the IPC channel that Node.js gives a child.
 * The other side is `supervised/messages.ts` of `@endless/core`, of the release that the program has.
 */

/** Version of the messages. A worker of another version does not start. */
export const RUN_PROTOCOL = 1;

/** An address as a program asks for it. */
export type Asked = { port: number; host?: string } | { path: string };
/** An address as the kernel knows it. */
export type Bound = { address: string; port: number } | { path: string };

/** What the program's `restart` settings change of the command of a successor. */
export interface RestartCommand {
  command?: string;
  args?: string[];
  env?: Record<string, string | null>;
  cwd?: string;
}

/** The messages of a worker. */
export type FromWorker =
  | { type: 'hello'; protocol: number; version: string; inspector?: string }
  | { type: 'listening'; asked: Asked; bound: Bound }
  | { type: 'closed'; bound: Bound }
  | { type: 'ready'; generation: number; hammerTime: number }
  | { type: 'draining'; reason: 'restart' | 'shutdown'; deadline: number; bySignal?: boolean }
  | { type: 'spawn'; id: number; handoff: string; restart: RestartCommand }
  | { type: 'kill'; pid: number; signal: 'SIGTERM' | 'SIGKILL' }
  | { type: 'committed'; pid: number; moved: number }
  | { type: 'rolled-back'; pid: number; message: string }
  | { type: 'not-restarted'; message: string }
  | { type: 'restart-all'; id: number }
  | { type: 'pong'; rss: number; inspected: boolean };

/** The messages to a worker. */
export type ToWorker =
  | { type: 'restart' }
  | { type: 'cancel' }
  | { type: 'tickets'; secret: { base64: string } }
  | { type: 'ping' }
  | { type: 'socket'; asked: Asked; bound: Bound }
  | { type: 'drop'; bound: Bound }
  | { type: 'spawned'; id: number; pid: number }
  | { type: 'not-spawned'; id: number; message: string }
  | { type: 'exited'; pid: number; exitCode: number | null; signal: string | null }
  | { type: 'restarted'; id: number; pid: number; generation: number; durationMs: number }
  | { type: 'restart-failed'; id: number; message: string };

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

const SHAPES: Record<FromWorker['type'], Record<string, Check>> = {
  hello: { protocol: number, version: text, inspector: (value) => value === undefined || text(value) },
  listening: { asked, bound },
  closed: { bound },
  ready: { generation: number, hammerTime: number },
  draining: { reason: text, deadline: number, bySignal: (value) => value === undefined || flag(value) },
  spawn: { id: number, handoff: text, restart: command },
  kill: { pid: number, signal },
  committed: { pid: number, moved: number },
  'rolled-back': { pid: number, message: text },
  'not-restarted': { message: text },
  'restart-all': { id: number },
  pong: { rss: number, inspected: flag },
};

/** Whether a message is one that a worker sends. The program itself cannot reach the channel. */
export function isFromWorker(message: unknown): message is FromWorker {
  if (!isRecord(message) || typeof message.type !== 'string') return false;
  if (!Object.hasOwn(SHAPES, message.type)) return false;
  const shape = SHAPES[message.type as FromWorker['type']];
  return Object.entries(shape).every(([field, check]) => check(message[field]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
