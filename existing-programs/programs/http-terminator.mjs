import { createHttpTerminator } from 'http-terminator';
import { cleaned, port, server } from './service.mjs';

const terminator = createHttpTerminator({ server, gracefulTerminationTimeout: 3_000 });
process.on('SIGTERM', async () => {
  await terminator.terminate();
  cleaned();
  process.exit(0);
});
server.listen(port);
