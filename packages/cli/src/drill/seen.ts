import { readFileSync } from 'node:fs';
import path from 'node:path';

/** What a process of the program has shown of itself; the witness writes it. */
export type Seen = { pid: number; at: number } & (
  | { type: 'listener'; signal: string; where: string; calls: string[] }
  /** `afterMs`: since the start of the process. */
  | { type: 'listening'; name: string; afterMs: number }
  | { type: 'first-response'; tookMs: number }
  | { type: 'exit'; code: number; inFlight: number; where?: string }
);

/** The lines that the witness has written, without those that are not whole. */
export function seenBy(folder: string): Seen[] {
  let text = '';
  try {
    text = readFileSync(path.join(folder, 'seen'), 'utf8');
  } catch {
    // No process came so far.
  }
  return text.split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as Seen];
    } catch {
      return [];
    }
  });
}
