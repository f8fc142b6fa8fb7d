import { InvalidArgumentError } from 'commander';
import { mostWorkers } from '../program/worker-count.js';

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** The longest timer of Node.js, about 24 days: a longer one fires at once. In place of no limit. */
export const LONGEST = 2_147_483_647;

/** Milliseconds of a time as it is typed: `30s`, `5m`, `500ms`; a bare number is seconds. */
export function parseTime(text: string): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError('Write a time as 500ms, 30s, 5m or 1h.');
  const ms = Number(number) * (UNITS[unit] as number);
  if (ms > LONGEST) throw new InvalidArgumentError('The longest time is 596h.');
  return ms;
}

/** Milliseconds of a limit as it is typed; 0 is no limit. */
export function parseLimit(text: string): number {
  return parseTime(text) || LONGEST;
}

/** A number of workers for `scale`, or a change of it. */
export function parseCount(text: string): string {
  if (!/^(max|[+-]?\d{1,4})$/.test(text)) throw new InvalidArgumentError('Write a number, +N, -N or max.');
  return text;
}

/** A number of workers: a whole number from 1, or `max`. */
export function parseWorkers(text: string): number {
  if (text === 'max') return mostWorkers();
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('Write a number from 1 to 999, or max.');
  return Number(text);
}

/** Paths with commas between them; none for an empty text. */
export function parsePaths(text: string): string[] {
  return text.split(',').filter(Boolean);
}
