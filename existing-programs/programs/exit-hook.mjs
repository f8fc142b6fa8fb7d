import { asyncExitHook } from 'exit-hook';
import { cleaned, port, server, sleep } from './service.mjs';

// exit-hook exits as soon as its hooks are done: `wait` has to be longer than the slowest request.
asyncExitHook(
  async () => {
    await new Promise((resolve) => server.close(resolve));
    await sleep(100);
    cleaned();
  },
  { wait: 5_000 },
);
server.listen(port);
