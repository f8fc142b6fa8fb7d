import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { runTranscript } from '../../test/simulation/transcript.js';

const FOLDER = path.join(import.meta.dirname, '../../test/simulation/transcripts');

// `UPDATE=1` writes what happens now into the files.
test.each(readdirSync(FOLDER))('%s', async (name) => {
  const file = path.join(FOLDER, name);
  const text = readFileSync(file, 'utf8');
  const now = await runTranscript(text);
  if (process.env.UPDATE) writeFileSync(file, now);
  else expect(now).toBe(text);
});
