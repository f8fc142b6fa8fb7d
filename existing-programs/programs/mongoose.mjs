import mongoose from 'mongoose';
import { cleaned, port, server } from './service.mjs';

await mongoose.connect(`mongodb://127.0.0.1:${process.env.SECOND_PORT}/a?directConnection=true`);
process.on('SIGTERM', async () => {
  await new Promise((resolve) => server.close(resolve));
  await mongoose.connection.db.admin().ping();
  await mongoose.disconnect();
  cleaned();
});
server.listen(port);
