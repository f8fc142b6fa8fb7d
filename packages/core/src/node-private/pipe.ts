import { Socket } from 'node:net';
import type { RawHandle, RawPipe } from './handle.js';
import { type IpcEnd, ipcEndOpened, readChannel, type TakenIpc } from './ipc.js';

/** A pipe on which no descriptor is open yet. */
interface OpenPipe extends RawPipe {
  open(fd: number): number;
}

/** The type of a `Pipe` that carries handles. */
const IPC = 2;

/** Handles whose descriptor another handle owns: closing one would close a later owner of that number. */
const spent = new Set<RawHandle>();

/**
 * An end of an IPC channel that came over another channel; undefined if it is not a pipe. Node makes a pipe
 * of it that silently drops every handle, so endless opens a second pipe on its descriptor. Only the second
 * pipe is read and closed.
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

/**
 * Like {@link ipcEndAround}, and handles can be sent on it: `open` makes a channel of a descriptor as Node.js
 * does.
 */
export function ipcEndReopened(received: RawHandle, open: (fd: number) => TakenIpc): IpcEnd | undefined {
  if (received.constructor.name !== 'Pipe' || received.fd < 0) {
    received.close();
    return undefined;
  }
  received.unref();
  spent.add(received);
  return ipcEndOpened(open(received.fd));
}

/** Stops reading a channel, so that another process can read it. */
export function suspendReading({ pipe }: IpcEnd): void {
  pipe.readStop();
}

/** Reads a channel again. */
export function resumeReading({ pipe }: IpcEnd): void {
  pipe.readStart();
}

/** Whether all that was written to a channel has left this process. */
export function isWritten({ pipe }: IpcEnd): boolean {
  return !(pipe as RawPipe & { writeQueueSize?: number }).writeQueueSize;
}

/** Makes writes to a socket without a reader fail with EAGAIN instead of blocking; returns whether it did. */
export function makeNonBlocking(fd: number): boolean {
  const socket = new Socket().on('error', () => {});
  try {
    // This creates a `Pipe`, the only kind of handle that opens a unix datagram socket.
    socket.connect({ path: '/dev/null/endless' });
    const { _handle: made } = socket as unknown as { _handle: RawHandle };
    const Pipe = made.constructor as new (type: number) => OpenPipe;
    // Never closed, since it does not own the descriptor.
    const pipe = new Pipe(0);
    pipe.unref();
    return pipe.open(fd) === 0;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
