// The transport takes its time, as a network does; the event that waits in it has to get out.
import * as Sentry from '@sentry/node';
import { cleaned, port, server, sleep } from './service.mjs';

const transport = () => {
  const pending = new Set();
  return {
    send(envelope) {
      const isEvent = envelope[1].some(([{ type }]) => type === 'event');
      const sent = sleep(300).then(() => {
        if (isEvent) cleaned();
        pending.delete(sent);
        return {};
      });
      pending.add(sent);
      return sent;
    },
    flush: () => Promise.all(pending).then(() => true),
  };
};
Sentry.init({ dsn: 'http://key@127.0.0.1:9/1', transport, defaultIntegrations: false });
process.on('SIGTERM', async () => {
  Sentry.captureMessage('the last event of this process');
  await new Promise((resolve) => server.close(resolve));
  await Sentry.close(3_000);
  process.exit(0);
});
server.listen(port);
