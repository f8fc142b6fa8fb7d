// server.js
import { endless } from '@endless/fastify';
import Fastify from 'fastify';

const app = Fastify();
app.get('/', async () => `Hello from process ${process.pid}\n`);
await endless.listen(app, 37423);
