// node examples/worker/server.js
//
// Give it work: curl -d 'a job' http://localhost:9090. Restart it: kill -HUP <pid>. A job that has begun is finished by the process
// that began it, and the next one is begun by the new one. Stop it: Ctrl-C, or kill <pid>.
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { endless } from '@endless/core';
import { Pool } from './pool.js';
import { Queue } from './queue.js';

const queue = new Queue(process.env.QUEUE ?? path.join(tmpdir(), 'endless-queue'));
const pool = new Pool();

/** Takes one job after the other until this process is to end. */
async function work() {
  while (!endless.signal.aborted) {
    // Held before it is taken: so no end comes between the two, and the process waits until the job is done.
    const release = endless.hold();
    const job = queue.take();
    if (job) {
      await pool.query(job.text);
      queue.finish(job);
      console.log(`pid ${process.pid} has done ${job.text}`);
    }
    release();
    // The signal ends the wait, but no job.
    if (!job) await sleep(50, undefined, { signal: endless.signal }).catch(() => {});
  }
}

/** Does something every second, in one process only: old and new are there together for a moment. */
function repeat() {
  const timer = setInterval(() => {
    const second = Math.floor(Date.now() / 1_000);
    if (queue.claim(`second-${second}`)) console.log(`pid ${process.pid} has the second ${second}`);
  }, 250);
  endless.signal.addEventListener('abort', () => clearInterval(timer));
}

// Not before this process has taken over: until then it may have to give way again.
endless.on('ready', ({ pid }) => {
  if (pid !== process.pid) return;
  work();
  repeat();
});

// The last job is done by then, so the process no longer needs the database.
endless.done.then(async () => {
  await pool.close();
  console.log(`pid ${process.pid} has closed its pool`);
});

const server = createServer(async (request, response) => {
  if (request.method === 'POST') queue.add(await text(request));
  response.end(`Hello from pid ${process.pid}: ${queue.waiting} jobs wait\n`);
});

await endless.listen(server, process.env.PORT ?? 9090);
