// node examples/chat/server.js
//
// Open http://localhost:9090/?name=Ada&room=lobby in two windows, and http://localhost:9090/dashboard in a third. Type, and restart
// the server meanwhile: kill -HUP <pid>. No user notices. Stop it: Ctrl-C, or kill <pid>.
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { endless } from '@endless/core';
import { endlessWebSockets } from '@endless/ws';
import { WebSocketServer } from 'ws';
import { openLog } from './log.js';
import { chat, dashboard } from './page.js';

const port = process.env.PORT ?? 9090;
const log = openLog(process.env.CHAT_LOG ?? path.join(tmpdir(), `endless-chat-${port}.log`));

const server = createServer((request, response) => {
  if (request.url === '/events') return stream(request, response);
  response.setHeader('Content-Type', 'text/html');
  response.end((request.url === '/dashboard' ? dashboard : chat)(process.pid));
});
const wss = new WebSocketServer({ server });

/** Each connection that is here: whose it is, in which room, and how far in the log it is. */
const members = new Map();

endlessWebSockets(wss, {
  save: (ws) => members.get(ws),
  restore: (ws, member) => members.set(ws, member),
});

wss.on('connection', (ws, request) => {
  const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const member = members.get(ws) ?? {
    name: searchParams.get('name'),
    room: searchParams.get('room'),
    position: log.end(),
  };
  members.set(ws, member);
  const leave = () => members.delete(ws);
  ws.on('message', (text) => log.add({ room: member.room, from: member.name, text: String(text) }));
  ws.on('close', leave).on('moved', leave);
  ws.send(JSON.stringify({ pid: process.pid }));
  deliver();
});

/** Gives each member what was said in its room since the last time. */
function deliver() {
  const positions = [...members.values()].map(({ position }) => position);
  for (const { room, from, text, next } of log.from(Math.min(...positions)))
    for (const [ws, member] of members) {
      if (member.position >= next) continue;
      member.position = next;
      if (member.room === room) ws.send(JSON.stringify({ pid: process.pid, from, text }));
    }
}
log.onAdded(deliver);

/** Milliseconds after which a browser comes back. */
const BACK_AFTER = 100;

/** The dashboard's events: the id of each is the position behind it, from which the browser asks again. */
function stream(request, response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  response.write(`retry: ${BACK_AFTER}\n\n`);
  let position = Number(request.headers['last-event-id'] ?? 0);
  const send = () => {
    for (const { next, ...entry } of log.from(position)) {
      response.write(`id: ${next}\ndata: ${JSON.stringify(entry)}\n\n`);
      position = next;
    }
  };
  send();
  const stop = log.onAdded(send);
  const end = () => response.end();
  endless.signal.addEventListener('abort', end);
  response.once('close', () => {
    stop();
    endless.signal.removeEventListener('abort', end);
  });
  if (endless.signal.aborted) end();
}

await endless.listen(server, port);
