// A plugin as `fastify start` loads it.
import { cleaned, listener } from './service.mjs';

export default async function plugin(app, _options) {
  app.get('/', (request, reply) => {
    reply.hijack();
    listener(request.raw, reply.raw);
  });
  app.addHook('onClose', async () => cleaned());
}
