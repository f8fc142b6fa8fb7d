// node examples/docker/server.js
//
// What the Dockerfile beside it runs below `endless run` as pid 1, and examples/kubernetes in a pod.
import { createServer } from 'node:http';
import { endless } from '@endless/core';

// Below the time that `docker stop --time 30` and terminationGracePeriodSeconds allow.
endless.configure({ shutdownDelay: Number(process.env.SHUTDOWN_DELAY ?? 0), hammerTime: 20_000 });

const server = createServer((request, response) => {
  if (request.url === '/ready') endless.readiness(request, response);
  else if (request.url === '/live') response.end('alive\n');
  else response.end(`Hello from pid ${process.pid}, generation ${endless.generation}\n`);
});
await endless.listen(server, process.env.PORT ?? 9090);
