import { Socket } from 'node:net';
import type { RawHandle, RawPipe } from './handle.js';
import { type IpcEnd, readChannel } from './ipc.js';

/** A pipe that nothing is open on yet. */
interface OpenPipe extends RawPipe {
  open(fd: number): number;
}

/** The type of a `Pipe` that carries handles. */
const IPC = 2;

/** Handles whose descriptor belongs to another handle: to close one of them would close what has that number later. */
const spent = new Set<RawHandle>();

/**
 * An end of an IPC channel that came over another one; undefined if it is not a pipe. Node makes a pipe of it that drops
 * every handle in silence, so a second one is opened on its descriptor. Only that one is read and closed.
 */
export function ipcEndAround(received: RawHandle): IpcEnd | undefined {
  const Pipe = received.constructor as new (type: number) => OpenPipe;
  const pipe = Pipe.name === 'Pipe' ? new Pipe(IPC) : undefined;
  if (pipe?.open(received.fd) !== 0) {
    received.close();
    return undefined;
  }
  received.unref();
  spent.add(received);
  let write: (line: string) => void = () => {};
  return {
    pipe,
    send: (message) => write(`${JSON.stringify(message)}\n`),
    read(onRead, onEnd) {
      const close = readChannel(pipe, onRead, onEnd, (socket) => {
        write = (line) => socket.write(line);
      });
      pipe.readStart();
      return close;
    },
  };
}

/** Stops reading a channel, so that another process can read it. */
export function suspendReading({ pipe }: IpcEnd): void {
  pipe.readStop();
}

/** Reads it again. */
export function resumeReading({ pipe }: IpcEnd): void {
  pipe.readStart();
}

/** Whether all that was written to a channel has left this process. */
export function isWritten({ pipe }: IpcEnd): boolean {
  return !(pipe as RawPipe & { writeQueueSize?: number }).writeQueueSize;
}

/** Makes writes to a socket that nobody reads fail with EAGAIN instead of blocking; returns whether it could. */
export function makeNonBlocking(fd: number): boolean {
  const socket = new Socket().on('error', () => {});
  try {
    // It creates a `Pipe`, the only kind of handle that opens a unix datagram socket.
    socket.connect({ path: '/dev/null/endless' });
    const { _handle: made } = socket as unknown as { _handle: RawHandle };
    const Pipe = made.constructor as new (type: number) => OpenPipe;
    // Never closed, since the descriptor is not its own.
    const pipe = new Pipe(0);
    pipe.unref();
    return pipe.open(fd) === 0;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
