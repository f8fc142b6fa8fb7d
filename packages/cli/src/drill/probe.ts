import { connect as connectTcp, type TcpNetConnectOpts } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { PATIENCE } from './losses.js';
import { ResponseParser } from './response-parser.js';
import { serverName, type Target, type TargetRequest } from './target.js';

/** Sends one request before the drill; resolves with the status of its response. */
export function probe(
  { where, tls, authority }: Pick<Target, 'where' | 'tls' | 'authority'>,
  request: TargetRequest,
): Promise<number> {
  const connectOptions = { ...where, noDelay: true } as TcpNetConnectOpts;
  const socket = tls
    ? connectTls({ ...connectOptions, ...serverName(authority), rejectUnauthorized: false })
    : connectTcp(connectOptions);
  const parser = new ResponseParser(request.method);
  return new Promise<number>((resolve, reject) => {
    const finish = () => resolve(parser.head?.status ?? 0);
    socket.setTimeout(PATIENCE, () => reject(new Error(`no whole response within ${PATIENCE / 1_000} s`)));
    socket.once(tls ? 'secureConnect' : 'connect', () => socket.write(request.fresh));
    socket.on('data', (chunk) => {
      try {
        if (parser.push(chunk)) finish();
      } catch (error) {
        reject(error);
      }
    });
    socket.on('error', reject);
    socket.on('end', () => {
      if (parser.end()) finish();
      else reject(new Error('the server closed the connection instead of a response'));
    });
  }).finally(() => socket.destroy());
}
