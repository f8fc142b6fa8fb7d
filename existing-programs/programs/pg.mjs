import pg from 'pg';
import { cleaned, port, server } from './service.mjs';

const pool = new pg.Pool({
  host: '127.0.0.1',
  port: Number(process.env.SECOND_PORT),
  user: 'a',
  database: 'a',
});
await pool.query('SELECT 1');
process.on('SIGTERM', async () => {
  await new Promise((resolve) => server.close(resolve));
  // A pool that is ended twice, or in use, rejects here.
  await pool.query('SELECT 1');
  await pool.end();
  cleaned();
});
server.listen(port);
