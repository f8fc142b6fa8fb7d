// node examples/several-servers/server.js
//
// Try it: curl http://localhost:9090; curl --cacert examples/tls/cert.pem https://localhost:9443
// Restart both servers at once, under any load: kill -HUP <pid> (endless logs the pid, and so does every answer).
import { endless } from '@endless/core';

const certificate = `${import.meta.dirname}/../tls`;
const tls = { certFile: `${certificate}/cert.pem`, keyFile: `${certificate}/key.pem` };

const hello = (scheme) => (request, response) => {
  response.end(`Hello over ${scheme} from pid ${process.pid}, generation ${endless.generation}\n`);
};

await endless.listen(hello('http'), process.env.PORT ?? 9090);
await endless.listen(hello('https'), process.env.TLS_PORT ?? 9443, { tls });
