import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A connection that is open and silent, and is ended with the test. */
export function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket)).once('error', reject);
    onTestFinished(() => void socket.destroy());
  });
}

/** Sends one request on an open connection and resolves with its answer; rejects if the connection is closed. */
export function ask(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed) reject(new Error('the connection was closed'));
    socket.once('data', (bytes) => resolve(bytes.toString()));
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  });
}
