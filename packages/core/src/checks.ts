import { EndlessError, invalidOption } from './errors.js';

/** The error for a setting that does not exist; it names those that do. */
export function unknownOption(name: string, known: readonly string[]): EndlessError {
  const near = known.find((candidate) => candidate.toLowerCase() === name.toLowerCase());
  const hint = near ? `did you mean \`${near}\`?` : `known are ${known.join(', ')}.`;
  return new EndlessError('ERR_ENDLESS_INVALID_OPTION', `\`${name}\` is not a setting of endless; ${hint}`);
}

/** Throws unless the value is a duration of 0 or more. */
export function checkDuration(name: string, value: unknown): void {
  if (typeof value !== 'number' || !(value >= 0) || !Number.isFinite(value))
    throw invalidOption(name, value, 'a number of milliseconds, 0 or more');
}

/** Throws unless the value is a time limit above 0: a limit of 0 has no meaning. */
export function checkLimit(name: string, value: unknown): void {
  if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value))
    throw invalidOption(name, value, 'a number of milliseconds above 0');
}

/** Throws unless the value is a whole number of at least `least`. */
export function checkCount(name: string, value: unknown, least: number): void {
  if (!Number.isInteger(value) || (value as number) < least)
    throw invalidOption(name, value, `a whole number, ${least} or more`);
}

/** Throws unless the value is a function. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidOption(name, value, 'a function');
}

/** A check that throws unless the value is one of these words. */
export function checkOneOf(...words: string[]) {
  return (name: string, value: unknown) => {
    if (!words.includes(value as string))
      throw invalidOption(name, value, words.map((w) => `'${w}'`).join(' or '));
  };
}

/** Throws unless the value is a boolean. */
export function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw invalidOption(name, value, 'true or false');
}

/** Throws unless the value is a text that is not empty. */
export function checkText(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') throw invalidOption(name, value, 'a path');
}
