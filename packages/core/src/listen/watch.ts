import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Server } from 'node:net';
import type { ListenWatcher } from '../world.js';

const START = 'tracing:net.server.listen:asyncStart';
const END = 'tracing:net.server.listen:asyncEnd';
const FAILED = 'tracing:net.server.listen:error';

/**
 * Watches every server of this process begin to listen, by Node's documented diagnostics channel; returns the
 * undo. So the application's own `app.listen(9090)` is enough, and no prototype is patched.
 */
export function watchListening(watcher: ListenWatcher): () => void {
  const onStart = (message: unknown) => {
    const { server, options } = message as { server: Server; options: Record<string, unknown> };
    watcher.beforeListen(server, options);
  };
  const onEnd = (message: unknown) => watcher.listening((message as { server: Server }).server);
  const onError = (message: unknown) => {
    const { server, error } = message as { server: Server; error: Error };
    watcher.failed(server, error);
  };
  subscribe(START, onStart);
  subscribe(END, onEnd);
  subscribe(FAILED, onError);
  return () => {
    unsubscribe(START, onStart);
    unsubscribe(END, onEnd);
    unsubscribe(FAILED, onError);
  };
}
