// node examples/koa/server.js
//
// Restart it as often as you like, under any load: kill -HUP <pid> (endless logs the pid, and so does every answer).
// Stop it: Ctrl-C, or kill <pid>.
import { endless } from '@endless/koa';
import Koa from 'koa';

const app = new Koa();
app.use(endless());
app.use(async (ctx) => {
  ctx.body = `Hello from pid ${process.pid}, generation ${endless.generation}\n`;
});

app.listen(process.env.PORT ?? 9090);
