import { main } from '../main.js';

/** The supervisor of a drill. It stops when the drill is gone, also if that was killed. */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.exit(await main(process.argv.slice(2)));
