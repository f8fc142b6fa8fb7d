// Shutdown code that a program has beside endless: a SIGHUP is an end to it, and a SIGTERM begins a job that takes longer than
// the second that a drained process has.
import { setTimeout as sleep } from 'node:timers/promises';

const say = (what) => console.log(`own ${what} ${process.pid}`);

process.on('SIGHUP', () => say('SIGHUP'));
process.on('SIGTERM', async () => {
  say('SIGTERM');
  await sleep(1_050);
  say('end');
  process.exit(4);
});
