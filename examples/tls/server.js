// node examples/tls/server.js
//
// Try it: curl --cacert examples/tls/cert.pem https://localhost:9090
// Restart it as often as you like, under any load: kill -HUP <pid> (endless logs the pid, and so does every answer).
// Each generation reads the certificate again: put the renewed one in its place, then kill -HUP.
import { endless } from '@endless/core';

// A throwaway certificate for localhost, signed by itself.
const tls = { certFile: `${import.meta.dirname}/cert.pem`, keyFile: `${import.meta.dirname}/key.pem` };

await endless.listen(
  (request, response) => {
    response.end(`Hello from pid ${process.pid}, generation ${endless.generation}\n`);
  },
  process.env.PORT ?? 9090,
  { tls },
);
