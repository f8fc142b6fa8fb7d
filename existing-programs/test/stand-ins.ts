import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import mongoose from 'mongoose';

const REDIS = '/usr/bin/redis-server';

/** Starts what a program connects to; resolves with the undo. */
export type StandIn = (port: number, folder: string) => Promise<() => Promise<void>>;

/** A Redis of its own, that keeps nothing. */
export const redis: StandIn = async (port, folder) => {
  if (!existsSync(REDIS)) throw new Error(`${REDIS} is missing: install Debian's package redis-server.`);
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const child = spawn(REDIS, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve) =>
    child.stdout.on('data', (text) => /Ready to accept/.test(text) && resolve()),
  );
  return () => {
    child.kill('SIGKILL');
    return gone;
  };
};

/** As much of PostgreSQL as a pool needs: it lets everybody in, and answers each query with nothing. */
export const postgres: StandIn = (port) =>
  listening(port, (socket) => {
    const message = (type: string, body: Buffer) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(body.length + 4);
      return Buffer.concat([Buffer.from(type), length, body]);
    };
    const ready = message('Z', Buffer.from('I'));
    let started = false;
    return (bytes) => {
      if (!started) socket.write(Buffer.concat([message('R', Buffer.alloc(4)), ready]));
      else if (bytes[0] === 'Q'.charCodeAt(0))
        socket.write(Buffer.concat([message('C', Buffer.from('SELECT 1\0')), ready]));
      else socket.end();
      started = true;
    };
  });

/** As much of MongoDB as a driver needs: the only server of its kind, which finds everything well. */
export const mongo: StandIn = (port) =>
  listening(port, (socket) => {
    let rest = Buffer.alloc(0);
    return (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= 16 && rest.length >= rest.readInt32LE(0)) {
        const length = rest.readInt32LE(0);
        answerMongo(socket, rest.subarray(0, length));
        rest = rest.subarray(length);
      }
    };
  });

const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
const HELLO = {
  helloOk: true,
  ismaster: true,
  isWritablePrimary: true,
  minWireVersion: 0,
  maxWireVersion: 21,
};

function answerMongo(socket: Socket, request: Buffer): void {
  const isQuery = request.readInt32LE(12) === OP_QUERY;
  const document = Buffer.from(
    mongoose.mongo.BSON.serialize({ ...HELLO, maxBsonObjectSize: 1 << 24, ok: 1 }),
  );
  // Of the older kind: flags, cursor, position and how many; of the newer kind: flags and the kind of section.
  const fields = Buffer.alloc(isQuery ? 20 : 5);
  if (isQuery) fields.writeInt32LE(1, 16);
  const head = Buffer.alloc(16);
  head.writeInt32LE(16 + fields.length + document.length, 0);
  head.writeInt32LE(request.readInt32LE(4), 8);
  head.writeInt32LE(isQuery ? OP_REPLY : OP_MSG, 12);
  const wantsNone = !isQuery && (request.readInt32LE(16) & 2) !== 0;
  if (!wantsNone) socket.write(Buffer.concat([head, fields, document]));
}

async function listening(
  port: number,
  reader: (socket: Socket) => (bytes: Buffer) => void,
): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket
      .on('error', () => {})
      .on('close', () => sockets.delete(socket))
      .on('data', reader(socket));
  });
  await new Promise<void>((resolve, reject) =>
    server.once('error', reject).listen(port, '127.0.0.1', resolve),
  );
  return () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  };
}
