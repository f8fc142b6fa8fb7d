// node examples/fastify/server.js
//
// Restart it as often as you like, under any load: kill -HUP <pid> (endless logs the pid, and so does every answer).
// Stop it: Ctrl-C, or kill <pid>.
import { endlessPlugin } from '@endless/fastify';
import Fastify from 'fastify';

const app = Fastify();
app.register(endlessPlugin);
app.get('/', async () => `Hello from pid ${process.pid}, generation ${app.endless.generation}\n`);
// Runs at the end of every process, when its last request has been answered.
app.addHook('onClose', async () => console.log('closing the database'));

await app.listen({ port: Number(process.env.PORT ?? 9090) });
