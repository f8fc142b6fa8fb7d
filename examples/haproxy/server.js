// node examples/haproxy/server.js
//
// One of three instances behind HAProxy: PORT=9091, 9092 and 9093. README.md says how they are rolled.
import { createServer } from 'node:http';
import { endless } from '@endless/core';

const port = process.env.PORT ?? '9091';
// HAProxy asks twice a second, and wants two answers before it believes them: a stop waits longer than that, and no
// idle connection is used after it.
endless.configure({ pidFile: `server-${port}.pid`, shutdownDelay: 2_000, idleGrace: 500 });

const server = createServer((request, response) => {
  if (request.url === '/ready') endless.readiness(request, response);
  else response.end(`Hello from pid ${process.pid}, port ${port}, generation ${endless.generation}\n`);
});
// It is HAProxy that ends idle connections.
server.keepAliveTimeout = 60_000;
await endless.listen(server, `127.0.0.1:${port}`);
