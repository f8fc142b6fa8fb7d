import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { attempt } from '../attempt.js';
import type { TrackedServer } from '../connections/tracked-server.js';
import { decideAfter } from '../decide.js';
import { transportOf } from '../node-private/http.js';
import type { World } from '../world.js';

/** The highest stream id: it means "no stream that you have opened is refused yet". */
const ALL_STREAMS = 2 ** 31 - 1;
/** The frame for that: GOAWAY with that id and NO_ERROR (RFC 9113, 6.8). */
const NOTICE = Buffer.from('000008070000000000' + '7fffffff' + '00000000', 'hex');
/** How long a client may take to answer the PING before the second GOAWAY goes out anyway. */
const PING_LIMIT = 1_000;

/**
 * Closes the HTTP/2 sessions of a server in two steps (RFC 9113, 6.8). The first GOAWAY refuses nothing.
 * After one round trip for the streams that crossed it, the second has the real last stream. Open streams
 * finish.
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
    const cancel = decideAfter(world, PING_LIMIT, close);
    // The session may have ended in between.
    const orClose = (fn: () => void) => () => attempt(fn, close);
    const ping = orClose(() => {
      if (!session.ping(close)) close();
    });
    const notice = orClose(() => {
      // Node's own `goaway` also makes Node.js ignore every later stream, so that it refuses what the frame
      // does not. In the clear, endless writes the frame past it. Through TLS only Node.js itself can write,
      // and it would let a PING of the same turn overtake the frame.
      if (session.encrypted) {
        session.goaway(0, ALL_STREAMS);
        world.turn(ping);
      } else {
        transportOf(session).write(NOTICE);
        ping();
      }
    });
    // By then Node.js has written its own frames, in a new session SETTINGS: nothing may come before those.
    world.turn(notice);
  };
  /** Each stops the wait of one session. */
  const waits = new Set<() => void>();
  // A client that gets GOAWAY before its first request sends none: an unused session waits for a stream.
  const begin = (session: ServerHttp2Session) => {
    if (session.destroyed || session.state.lastProcStreamID) return end(session);
    const stop = () => {
      cancel();
      session.off('stream', go);
      waits.delete(stop);
    };
    const go = () => {
      stop();
      end(session);
    };
    const cancel = decideAfter(world, idleGrace, go, 0);
    session.on('stream', go);
    waits.add(stop);
  };
  const { server } = tracked;
  const note = (stream: ServerHttp2Stream) => void tracked.arrivals.set(stream, world.now());
  for (const session of tracked.sessions) begin(session);
  server.on('session', begin);
  server.on('stream', note);
  return () => {
    server.off('session', begin);
    server.off('stream', note);
    for (const stop of waits) stop();
  };
}
