// node examples/sse/server.js
//
// Open http://localhost:9090 in a browser, then restart the server: kill -HUP <pid>. The page misses nothing.
// Stop it: Ctrl-C, or kill <pid>.
import { createServer } from 'node:http';
import { endless } from '@endless/core';

/** Stands for a log that every process can read: the event of a moment has the number of that moment. */
const PERIOD = 100;
const KEPT = 1_000;
const newest = () => Math.floor(Date.now() / PERIOD);

/** Sends the events after the last one that the client has seen, until it leaves or this process is to end. */
function stream(request, response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  // How long a client waits before it comes back: not all of them at once.
  response.write(`retry: ${Math.round(100 + Math.random() * 400)}\n\n`);

  let last = Math.max(Number(request.headers['last-event-id']) || newest(), newest() - KEPT);
  const send = () => {
    while (last < newest()) {
      last += 1;
      response.write(`id: ${last}\ndata: event ${last} of pid ${process.pid}\n\n`);
    }
  };
  const timer = setInterval(send, PERIOD);
  // Between two events: the browser asks again, with the id of the last one, and the new process answers.
  const end = () => response.end();
  endless.signal.addEventListener('abort', end);
  response.once('close', () => {
    clearInterval(timer);
    endless.signal.removeEventListener('abort', end);
  });
  if (endless.signal.aborted) end();
}

const page = () => `<!doctype html>
<title>Events of pid ${process.pid}</title>
<ol></ol>
<script>
  const list = document.querySelector('ol');
  new EventSource('/events').onmessage = ({ data }) => {
    const item = document.createElement('li');
    item.textContent = data;
    list.append(item);
  };
</script>
`;

const server = createServer((request, response) => {
  if (request.url === '/events') return stream(request, response);
  response.setHeader('Content-Type', 'text/html').end(page());
});

await endless.listen(server, process.env.PORT ?? 9090);
