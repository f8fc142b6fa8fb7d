import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../exit-codes.js';
import { mostWorkers } from '../program/worker-count.js';
import type { RestartReport } from '../supervisor/rolling-restart.js';
import type { Count } from '../supervisor/scaling.js';
import type { Supervisor } from '../supervisor/supervisor.js';

/** Gets each step of what was asked for. */
export type Say = (line: string) => void;

/** What a POST asks for, once it is known to be valid: does it, and resolves with the exit code. */
export type Action = (supervisor: Supervisor, say: Say) => Promise<number>;

/** What was asked for makes no sense: nothing has changed. */
export class BadRequest extends Error {}

/** When a stop with `now` force-closes: not before the workers have begun to drain, and again if one was slow. */
const HAMMER_AFTER = [100, 1_000];
/** More workers than any machine needs. */
const MOST_WORKERS = 1_024;

const CODES: Record<RestartReport['result'], number> = {
  done: EXIT.done,
  failed: EXIT.failed,
  partly: EXIT.partly,
};

/** A path that takes a POST, and what its fields mean. A field of another name is unknown. */
export interface Post {
  readonly url: string;
  readonly fields: readonly string[];
  action(body: Body, present: number): Action;
}

const POSTS: readonly Post[] = [
  { url: '/restart', fields: [], action: () => restart },
  { url: '/stop', fields: ['now'], action: ({ now }) => stop(flagOf(now)) },
  { url: '/scale', fields: ['to'], action: ({ to }, present) => scale(countOf(to, present)) },
];

type Body = Record<string, unknown>;

/** The POST that this path takes, if any. */
export function postAt(path: string): Post | undefined {
  return POSTS.find(({ url }) => url === path);
}

/** What a POST asks for. Throws {@link BadRequest} before anything changes. */
export function actionOf({ url, fields, action }: Post, text: string, present: number): Action {
  const body = bodyOf(text);
  const strange = Object.keys(body).find((name) => !fields.includes(name));
  if (strange !== undefined) throw new BadRequest(`${url} has no field ${strange}`);
  return action(body, present);
}

const restart: Action = async (supervisor, say) => {
  const { result, error } = await supervisor.restart(say);
  if (error !== undefined) say(error);
  return CODES[result];
};

const stop =
  (now: boolean): Action =>
  async (supervisor, say) => {
    say(`stopping pid ${process.pid}`);
    supervisor.stop('SIGTERM');
    if (now)
      for (const ms of HAMMER_AFTER)
        void sleep(ms, undefined, { ref: false }).then(() => supervisor.hammer());
    return await supervisor.ended;
  };

const scale =
  (count: Count): Action =>
  async (supervisor, say) => {
    const { exitCode, line } = await supervisor.scale(count, say);
    say(line);
    return exitCode;
  };

function bodyOf(text: string): Body {
  if (text === '') return {};
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new BadRequest('the request is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new BadRequest('the request is not an object');
  return body as Body;
}

function flagOf(now: unknown): boolean {
  if (now !== undefined && typeof now !== 'boolean') throw new BadRequest('`now` must be true or false');
  return now === true;
}

/** The number of workers that is asked for: `4`, `+1`, `-1` or `max`. A step counts from the number at its turn. */
function countOf(to: unknown, present: number): Count {
  const text = typeof to === 'number' ? String(to) : to;
  if (text === 'max') return () => mostWorkers();
  if (typeof text !== 'string' || !/^[+-]?\d{1,4}$/.test(text))
    throw new BadRequest('`to` must be a whole number, +N, -N or max');
  const step = /^[+-]/.test(text);
  const count: Count = (now) => (step ? now + Number(text) : Number(text));
  const wanted = count(present);
  if (wanted < 1 || wanted > MOST_WORKERS)
    throw new BadRequest(`the number of workers must be from 1 to ${MOST_WORKERS}; that would be ${wanted}`);
  return (now) => Math.min(MOST_WORKERS, Math.max(1, count(now)));
}
