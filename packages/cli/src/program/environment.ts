import { type Inspector, inspectorIn } from './inspect.js';

/** Variables that are for the supervisor alone: it speaks to the service manager, and holds its sockets. */
const OF_SUPERVISOR = [
  'NOTIFY_SOCKET',
  'WATCHDOG_USEC',
  'WATCHDOG_PID',
  'LISTEN_PID',
  'LISTEN_FDS',
  'LISTEN_FDNAMES',
  'NODE_CHANNEL_FD',
  'NODE_CHANNEL_SERIALIZATION_MODE',
  'NODE_UNIQUE_ID',
  'ENDLESS_HANDOFF',
  'ENDLESS_SUPERVISOR',
];

/** The environment of a worker: that of the supervisor, and the worker's place among the others. */
export function environmentOf(index: number, count: number, inspector: Inspector): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const name of OF_SUPERVISOR) delete env[name];
  env.NODE_OPTIONS &&= inspectorIn(inspector, env.NODE_OPTIONS);
  env.NODE_APP_INSTANCE ??= String(index);
  return { ...env, ENDLESS_WORKER: String(index), ENDLESS_WORKER_COUNT: String(count) };
}
