import stoppable from 'stoppable';
import { cleaned, port, server } from './service.mjs';

const stopped = stoppable(server, 3_000);
process.on('SIGTERM', () =>
  stopped.stop((error) => {
    if (error) process.exit(1);
    cleaned();
    process.exit(0);
  }),
);
server.listen(port);
