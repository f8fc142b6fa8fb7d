import winston from 'winston';
import { port, server } from './service.mjs';

const file = new winston.transports.File({ filename: process.env.CLEANUP_LOG });
const logger = winston.createLogger({
  format: winston.format.printf(({ message }) => message),
  transports: [file],
});
process.on('SIGTERM', async () => {
  await new Promise((resolve) => server.close(resolve));
  logger.info(`${process.pid} cleaned`);
  file.once('finish', () => process.exit(0));
  logger.end();
});
server.listen(port);
