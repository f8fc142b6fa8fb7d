// The listener that most programs have.
import { cleaned, port, server, sleep } from './service.mjs';

process.on('SIGTERM', async () => {
  await new Promise((resolve) => server.close(resolve));
  await sleep(200);
  cleaned();
  process.exit(0);
});
server.listen(port);
