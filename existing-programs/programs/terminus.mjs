import { createTerminus } from '@godaddy/terminus';
import { cleaned, port, server, sleep } from './service.mjs';

createTerminus(server, {
  signal: 'SIGTERM',
  timeout: 3_000,
  healthChecks: { '/healthz': async () => {} },
  async onSignal() {
    await sleep(100);
    cleaned();
  },
});
server.listen(port);
