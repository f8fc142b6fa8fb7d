import closeWithGrace from 'close-with-grace';
import Fastify from 'fastify';
import { cleaned, listener, port } from './service.mjs';

const app = Fastify();
app.get('/', (request, reply) => {
  reply.hijack();
  listener(request.raw, reply.raw);
});
closeWithGrace({ delay: 5_000 }, async () => {
  await app.close();
  cleaned();
});
await app.listen({ port, host: '::' });
