import type { Server } from 'node:net';
import {
  type EndlessError,
  type EndlessExpress,
  endless,
  type Release,
  type Settings,
} from '@endless/express';
import express, { type RequestHandler, Router } from 'express';

// Used by: no cast anywhere.
const app = express();
app.use(endless());
app.get('/ready', endless.readiness);
app.listen(9090);
export const server: Server = await endless.listen(app, 9090);
await endless.listen(app, 'unix:/run/app.sock', { tls: { certFile: 'cert.pem', keyFile: 'key.pem' } });
await endless.listen((_request, response) => void response.end(), {
  port: 9090,
  host: '::1',
  ipv6Only: true,
});

// Settings, each of its own type.
const settings: Settings = {
  hammerTime: -1,
  lateRequests: 'reject',
  logger: console,
  signals: { SIGHUP: false },
};
app.use('/admin', endless(settings));
Router().use(endless({ healthCheck: async ({ connect }) => (await connect()).writable }));
endless.configure({ logger: false, ready: 'manual', restart: { env: { STAGE: undefined } } });
// @ts-expect-error: there is no such setting
endless({ hammerTimes: 5_000 });
// @ts-expect-error: durations are numbers
endless({ hammerTime: '5s' });
// @ts-expect-error: one of two words
endless({ lateRequests: 'drop' });
// @ts-expect-error: a logger has three methods
endless({ logger: { info() {} } });
// @ts-expect-error: no signal that endless knows
endless({ signals: { SIGKILL: 'shutdown' } });
// @ts-expect-error: the factory is to be called
endless.readiness();
// @ts-expect-error: an address is needed
await endless.listen(app);
// @ts-expect-error: no app
await endless.listen({}, 9090);
// @ts-expect-error: there is no such option of a server
await endless.listen(app, 9090, { hammerTime: 5_000 });

// The lifecycle is all there.
export const made: RequestHandler = endless();
export const same: EndlessExpress = endless;
const { pid, generation, durationMs } = await endless.restart();
export const numbers: number[] = [
  pid,
  generation,
  durationMs,
  endless.generation,
  endless.stats().activeRequests,
];
export const { forced, durationMs: took } = await endless.shutdown();
export const undo: (() => void)[] = [
  endless.hook('pre', 'SIGUSR1', async () => {}),
  endless.beforeBegin((address) => console.log(address)),
  endless.on('failed', ({ error }: { error: EndlessError }) => console.log(error.code, error.stderr)),
];
const release: Release = endless.hold();
release();
endless.signal.addEventListener('abort', () => {});
if (endless.state === 'shutting-down') await endless.done;
// @ts-expect-error: none of the four states
if (endless.state === 'draining') endless.hammer();
// @ts-expect-error: no signal that hooks can be attached to
endless.hook('pre', 'SIGKILL', () => {});
// @ts-expect-error: a phase is 'pre' or 'post'
endless.hook('before', 'SIGHUP', () => {});
// @ts-expect-error: there is no such event
endless.on('restarted', () => {});
// @ts-expect-error: the state is read only
endless.state = 'running';
