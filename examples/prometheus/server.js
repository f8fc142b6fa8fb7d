// node examples/prometheus/server.js
//
// Metrics for Prometheus at /metrics, made by prom-client from the counts and events of endless. A scrape always reaches the newest process.
import { createServer } from 'node:http';
import { endless } from '@endless/core';
import { Counter, collectDefaultMetrics, Gauge, register } from 'prom-client';

collectDefaultMetrics();

/** A gauge of each server, read when Prometheus asks.
 * @param {string} name
 * @param {'activeRequests' | 'connections' | 'idleConnections'} count
 * @param {string} help */
function perServer(name, count, help) {
  new Gauge({
    name,
    help,
    labelNames: ['address'],
    collect() {
      this.reset();
      for (const server of endless.stats().servers) this.set({ address: server.address }, server[count]);
    },
  });
}
perServer('endless_active_requests', 'activeRequests', 'Requests in flight.');
perServer('endless_connections', 'connections', 'Open connections.');
perServer('endless_idle_connections', 'idleConnections', 'Open connections between two requests.');

new Gauge({
  name: 'endless_generation',
  help: 'How many restarts led to this process.',
  collect() {
    this.set(endless.generation);
  },
});
new Gauge({
  name: 'endless_serving_since_seconds',
  help: 'When this process began to accept.',
}).setToCurrentTime();

// They count what this process has seen, and begin at zero in each generation, as the counters of a new process do.
const migrated = new Counter({
  name: 'endless_migrated_connections_total',
  help: 'Connections that came here alive, or left alive for the next process.',
});
endless.on('migrated', () => migrated.inc());
const failed = new Counter({
  name: 'endless_failed_restarts_total',
  help: 'Restarts that failed.',
  labelNames: ['code'],
});
endless.on('failed', ({ error }) => failed.inc({ code: error.code }));
const rollbacks = new Counter({
  name: 'endless_rollbacks_total',
  help: 'Restarts that were rolled back.',
  labelNames: ['reason'],
});
endless.on('rollback', ({ error }) => rollbacks.inc({ reason: error.code }));

const server = createServer(async (request, response) => {
  if (request.url !== '/metrics')
    return response.end(`Hello from pid ${process.pid}, generation ${endless.generation}\n`);
  response.setHeader('content-type', register.contentType);
  response.end(await register.metrics());
});
await endless.listen(server, process.env.PORT ?? 9090);
