import exitHook from 'async-exit-hook';
import { cleaned, port, server } from './service.mjs';

exitHook((done) =>
  server.close(() => {
    cleaned();
    done();
  }),
);
server.listen(port);
