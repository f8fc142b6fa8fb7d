import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

/** Files that use time, timers, randomness or the process without `World`, each with its reason. */
const PAST_WORLD: Record<string, string> = {
  'real-world.ts': 'is the World of a real process',
  'builtin.ts': 'finds modules of Node.js by a function of `process`',
  'handoff/preload-file.ts': 'checks who owns a file, and what the permission model allows',
  'handoff/command.ts': 'reads how this process was started, before the application can change that',
  'handoff/environment.ts': 'reads the environment of the start, likewise',
  'listen/second-names.ts':
    'compares file times with the clock of the file system, and draws names that no other user can guess',
  'listen/unix-path.ts': 'knows what this kernel does with the paths of unix sockets',
  'node-private/tls.ts': 'makes the id of a TLS session from the command line, as Node.js does',
  'readiness/private-door.ts': 'knows whether this kernel has unix sockets',
  'signals/signal-exit.ts': 'reads marks that another package leaves on `process`',
  'signals/terminal.ts': 'writes to streams that outlive their terminal',
  'supervisor/endless-command.ts': 'looks which script this process runs',
  'supervisor/systemd.ts': 'tells systemd a time of the clock that systemd reads',
};

/** Matches such a use. `process.nextTick` only orders events within one turn, in which no time passes. */
const REACHES =
  /(?<![\w.#'`])(?:set(?:Timeout|Interval|Immediate)\(|queueMicrotask\(|Math\.random\b|Date\.now\b|new Date\(\)|performance\.|process(?:\.(?!nextTick\b)\w|\[))|[=:(] ?process[,;)]|'node:(?:timers|process|perf_hooks)/;

const isComment = (line: string) => /^\s*(?:\/?\*|\/\/)/.test(line);

test('everything outside the process is reached through World', () => {
  const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' }).filter(
    (file) => /\.ts$/.test(file) && !file.includes('.test.'),
  );
  const reaching = files.filter((file) =>
    readFileSync(path.join(import.meta.dirname, file), 'utf8')
      .split('\n')
      .some((line) => !isComment(line) && REACHES.test(line)),
  );
  expect(reaching.sort()).toEqual(Object.keys(PAST_WORLD).sort());
});
