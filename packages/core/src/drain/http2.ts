import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { World } from '../world.js';
import type { TrackedServer } from './tracked-server.js';

/** Highest stream id there is: "no stream that you have opened is refused yet". */
const ALL_STREAMS = 2 ** 31 - 1;
/** How long a client may take to answer the PING before the second GOAWAY goes out anyway. */
const PING_LIMIT = 1_000;

/**
 * Ends the HTTP/2 sessions of a server in two steps (RFC 9113, 6.8): a GOAWAY that refuses nothing, one round trip for
 * the streams that crossed it, then one with the real last stream. Streams that are open finish.
 */
export function endSessions(tracked: TrackedServer, idleGrace: number, world: World): () => void {
  const end = (session: ServerHttp2Session) => {
    if (session.closed || session.destroyed) return;
    let answered = false;
    const close = () => {
      if (answered) return;
      answered = true;
      cancel();
      if (!session.destroyed) session.close();
    };
    const cancel = world.after(PING_LIMIT, close);
    try {
      session.goaway(0, ALL_STREAMS);
      if (!session.ping(close)) close();
    } catch {
      // The session ended in between.
      close();
    }
  };
  // A client that hears GOAWAY before its first request sends none: a session that has carried nothing waits for one.
  const begin = (session: ServerHttp2Session) => {
    if (session.destroyed || session.state.lastProcStreamID) return end(session);
    const go = () => {
      cancel();
      session.off('stream', go);
      end(session);
    };
    const cancel = world.after(idleGrace, go);
    session.on('stream', go);
  };
  const { server } = tracked;
  const note = (stream: ServerHttp2Stream) => void tracked.arrivals.set(stream, world.now());
  for (const session of tracked.sessions) begin(session);
  server.on('session', begin);
  server.on('stream', note);
  return () => {
    server.off('session', begin);
    server.off('stream', note);
  };
}
