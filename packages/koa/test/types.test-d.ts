import type { Server } from 'node:net';
import { type EndlessError, type EndlessKoa, endless, type Settings } from '@endless/koa';
import Koa from 'koa';

// Used by: no cast anywhere.
const app = new Koa();
app.use(endless());
app.use((ctx, next) => (ctx.path === '/ready' ? endless.readiness(ctx, next) : next()));
app.listen(9090);
export const server: Server = await endless.listen(app, 9090);
await endless.listen(app, '[::1]:9090', { tls: { certFile: 'cert.pem', keyFile: 'key.pem' } });
await endless.listen(app.callback(), 9090);

// An app with a state and a context of its own.
interface State {
  user: string;
}
const typed = new Koa<State, { tenant: string }>();
typed.use(endless());
typed.use(async (ctx, next) => {
  ctx.state.user.toUpperCase();
  ctx.tenant.toUpperCase();
  await next();
});
await endless.listen(typed, 9090);

// Settings, each of its own type.
const settings: Settings = { hammerTime: -1, lateRequests: 'reject', logger: console };
app.use(endless(settings));
// @ts-expect-error: there is no such setting
endless({ hammerTimes: 5_000 });
// @ts-expect-error: durations are numbers
endless({ hammerTime: '5s' });
// @ts-expect-error: an address is needed
await endless.listen(app);
// @ts-expect-error: no app
await endless.listen({}, 9090);

// The lifecycle is all there.
export const made: Koa.Middleware = endless();
export const same: EndlessKoa = endless;
const { pid, generation } = await endless.restart();
export const numbers: number[] = [pid, generation, endless.generation, endless.stats().activeRequests];
export const undo: (() => void)[] = [
  endless.hook('post', 'SIGHUP', () => {}),
  endless.on('failed', ({ error }: { error: EndlessError }) => console.log(error.code)),
];
// @ts-expect-error: no signal that hooks can be attached to
endless.hook('pre', 'SIGKILL', () => {});
