// A worker in the middle of a job: `close` waits for it.
import { Queue, Worker } from 'bullmq';
import { cleaned, port, server, sleep } from './service.mjs';

const connection = { host: '127.0.0.1', port: Number(process.env.SECOND_PORT) };
const queue = new Queue('work', { connection });
let running;
const worker = new Worker(
  'work',
  async () => {
    running = 'cut';
    await sleep(700);
    running = 'cleaned';
  },
  { connection },
);
worker.on('error', () => {});
process.on('SIGTERM', async () => {
  await worker.close();
  await queue.close();
  cleaned(running);
  await new Promise((resolve) => server.close(resolve));
  process.exit(0);
});
await worker.waitUntilReady();
server.on('request', (request) => {
  if (request.url.includes('job')) void queue.add('job', {});
});
server.listen(port);
