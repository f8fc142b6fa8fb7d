import lightshipModule from 'lightship';
import { cleaned, port, server } from './service.mjs';

const lightship = await lightshipModule.createLightship({
  detectKubernetes: false,
  port: Number(process.env.SECOND_PORT),
  shutdownDelay: 0,
  shutdownHandlerTimeout: 5_000,
  gracefulShutdownTimeout: 10_000,
});
lightship.registerShutdownHandler(async () => {
  await new Promise((resolve) => server.close(resolve));
  cleaned();
});
server.listen(port, () => lightship.signalReady());
