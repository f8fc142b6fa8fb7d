import { statSync } from 'node:fs';
import path from 'node:path';

/** The working directory by the name that the shell used: a path through a link stays one. */
export function directoryAsTyped(): string {
  const physical = process.cwd();
  const { PWD } = process.env;
  try {
    if (PWD !== undefined && path.isAbsolute(PWD) && isSame(PWD, physical)) return PWD;
  } catch {
    // The shell named a directory that is gone.
  }
  return physical;
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [statSync(one, { bigint: true }), statSync(other, { bigint: true })];
  return a.dev === b.dev && a.ino === b.ino;
}
