import { rmSync } from 'node:fs';
import { main } from '../main.js';

const { ENDLESS_DRILL: folder = '' } = process.env;
let alone = false;

/** The supervisor of a drill. It stops when the drill is gone, also if that was killed. */
process.once('disconnect', () => {
  alone = true;
  process.kill(process.pid, 'SIGTERM');
});
const exitCode = await main(process.argv.slice(2));
if (alone) rmSync(folder, { recursive: true, force: true });
process.exit(exitCode);
