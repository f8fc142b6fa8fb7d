import { type Load, type LoadRequest, type LoadResponse, startLoad } from '@endless/testkit';

/** The clients of a drill, side by side. */
export interface Clients {
  /** Many requests on each connection. */
  keptAlive: Load;
  /** A connection for each request. */
  fresh: Load;
}

/** How many there are of each. */
export const CLIENTS = { keptAlive: 32, fresh: 8 };

/** Sends the clients of a drill to the app: short, slow, streamed and uploading requests mixed. */
export function startClients(port: number): Clients {
  const options = { port, request, check, label, timeout: 5000, lossPause: 25 };
  return {
    keptAlive: startLoad({ ...options, connections: CLIENTS.keptAlive, mode: 'keep-alive' }),
    fresh: startLoad({ ...options, connections: CLIENTS.fresh, mode: 'new-connection' }),
  };
}

const UPLOAD = Buffer.alloc(32 * 1024, 'endless ');

function request(n: number): LoadRequest {
  const turn = n % 20;
  if (turn === 0) return { target: `/slow/${n}` };
  if (turn === 7) return { target: `/stream/${n}` };
  if (turn === 13) return { method: 'POST', target: `/upload/${n}`, body: UPLOAD };
  return { target: `/hello/${n}` };
}

// Each answer names the request that it belongs to, so that answers which changed places would be seen.
function check({ request: { target }, n, status, body }: LoadResponse): string | undefined {
  if (status !== 200) return `status ${status}`;
  const wanted = target.startsWith('/stream/')
    ? `chunk 5 of 5\nend of ${n} from `
    : target.startsWith('/upload/')
      ? `"uploaded":"${n}","bytes":${UPLOAD.length},`
      : `"${n}"`;
  return body.includes(wanted) ? undefined : `answered ${JSON.stringify(body.toString().slice(0, 100))}`;
}

function label({ headers }: LoadResponse): string {
  return headers['x-version'] ?? 'unknown';
}
