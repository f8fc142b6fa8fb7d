// node examples/express/server.js
//
// Restart it as often as you like, under any load: kill -HUP <pid> (endless logs the pid, and so does every answer).
// Stop it: Ctrl-C, or kill <pid>.
import { endless } from '@endless/express';
import express from 'express';

const app = express();
app.use(endless());
app.get('/', (request, response) => {
  response.send(`Hello from pid ${process.pid}, generation ${endless.generation}\n`);
});
app.get('/ready', endless.readiness);

app.listen(process.env.PORT ?? 9090);
