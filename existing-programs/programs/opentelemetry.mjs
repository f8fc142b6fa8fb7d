// A batch of spans that would be exported after a minute.
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { cleaned, listener, port, server, sleep } from './service.mjs';

let ended = 0;
let exported = 0;
const exporter = {
  export(spans, done) {
    sleep(200).then(() => {
      exported += spans.length;
      done({ code: 0 });
    });
  },
  shutdown: async () => cleaned(exported === ended ? 'cleaned' : `lost ${ended - exported} spans`),
};
const provider = new NodeTracerProvider({
  spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: 60_000, maxQueueSize: 1e6 })],
});
const tracer = provider.getTracer('test');
server.removeAllListeners('request');
server.on('request', (request, response) => {
  const span = tracer.startSpan(request.url);
  response.once('close', () => {
    span.end();
    ended += 1;
  });
  listener(request, response);
});
// The listener of OpenTelemetry's documentation exits when the spans are out, which cuts requests off: the server goes first.
process.on('SIGTERM', async () => {
  await new Promise((resolve) => server.close(resolve));
  await provider.shutdown();
  process.exit(0);
});
server.listen(port);
