import { readFileSync } from 'node:fs';
import type { Server } from 'node:net';
import endlessByDefault, {
  type EndlessFastify,
  endless,
  endlessPlugin,
  type Settings,
} from '@endless/fastify';
import Fastify, { type FastifyTypeProvider } from 'fastify';

interface TypeProvider extends FastifyTypeProvider {
  validator: { checked: true };
}

// Used by: no cast anywhere.
const app = Fastify();
app.register(endlessPlugin);
app.get('/ready', endless.readiness);
await app.listen({ port: 9090 });
export const server: Server = await endless.listen(app, 9090);
await endless.listen(app, 'localhost:9090', { readTimeout: 5_000 });
await endless.listen((_request, response) => void response.end(), 9090);

// The decoration, on the app and in a context.
export const decorated: EndlessFastify = app.endless;
app.register(async (context) => {
  context.get('/generation', async () => context.endless.generation);
});
app.get('/stats', async (request) => request.server.endless.stats());

// Apps on other servers.
const secure = Fastify({ https: { key: readFileSync('key.pem'), cert: readFileSync('cert.pem') } });
secure.register(endlessPlugin);
secure.get('/ready', endless.readiness);
await endless.listen(secure, 9090);
const two = Fastify({ http2: true });
two.register(endlessPlugin);
two.get('/ready', endless.readiness);
await endless.listen(two, 9090);
const typed = Fastify({ loggerInstance: { ...app.log, extra: 1 } }).withTypeProvider<TypeProvider>();
typed.register(endlessPlugin);
typed.get('/ready', endless.readiness);
await endless.listen(typed, 9090);

// Settings, each of its own type.
const settings: Settings = { hammerTime: -1, lateRequests: 'reject', logger: app.log };
app.register(endlessPlugin, settings);
app.register(endlessPlugin, { pidFile: 'server.pid', signals: { SIGINT: 'hammer' } });
app.register(endlessPlugin, { hammerTime: 5_000, prefix: '/ignored' });
app.register(endlessByDefault);
// @ts-expect-error: there is no such setting
app.register(endlessPlugin, { hammerTimes: 5_000 });
// @ts-expect-error: durations are numbers
app.register(endlessPlugin, { hammerTime: '5s' });
// @ts-expect-error: an address is needed
await endless.listen(app);
// @ts-expect-error: no app
await endless.listen({}, 9090);

// The lifecycle is all there.
const { pid, generation } = await app.endless.restart();
export const numbers: number[] = [pid, generation, endless.generation, endless.stats().connections];
// @ts-expect-error: `generation` is read-only in the decoration too
app.endless.generation = 7;
// @ts-expect-error: in Fastify endless is not a function; register `endlessPlugin`
endless();
