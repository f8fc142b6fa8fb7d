import { promisify } from 'node:util';

const kept = (part: object, name: string) =>
  Reflect.get(part, Object.getOwnPropertySymbols(part).find((key) => key.description === name) ?? '');

/** Runs the preClose hooks of an app and removes them: its `close` would run them again later, behind its own 503. */
export async function runPreClose(app: object): Promise<void> {
  const above = Object.getPrototypeOf(app);
  await (kept(above, 'fastify.hooks') ? runPreClose(above) : runFrom(app));
}

async function runFrom(part: object): Promise<void> {
  for (const hook of kept(part, 'fastify.hooks')?.preClose.splice(0) ?? [])
    await (hook.length === 1 ? promisify(hook) : hook).call(part);
  for (const child of kept(part, 'fastify.children') ?? []) await runFrom(child);
}
