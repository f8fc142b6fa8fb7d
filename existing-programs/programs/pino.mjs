// pino in a worker thread, which writes what is left when the process exits.
import pino from 'pino';
import { port, server } from './service.mjs';

const logger = pino(
  { base: null, timestamp: false },
  pino.transport({ target: 'pino/file', options: { destination: process.env.PINO_LOG } }),
);
process.on('SIGTERM', async () => {
  await new Promise((resolve) => server.close(resolve));
  logger.info(`${process.pid} cleaned`);
  process.exit(0);
});
server.listen(port);
