// node examples/http/server.js
//
// Restart it as often as you like, under any load: kill -HUP <pid> (endless logs the pid, and so does every answer).
// Stop it: Ctrl-C, or kill <pid>.
import { endless } from '@endless/core';

const server = await endless.listen((request, response) => {
  response.end(`Hello from pid ${process.pid}, generation ${endless.generation}\n`);
}, process.env.PORT ?? 9090);

console.log('listening on', server.address());
