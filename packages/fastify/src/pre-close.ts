import { promisify } from 'node:util';

/** Runs the preClose hooks of an app, and takes them out: later its `close` would run them again, behind its own 503. */
export async function runPreClose(app: object): Promise<void> {
  const kept = (name: string) => Object.getOwnPropertySymbols(app).find((key) => key.description === name);
  const hooks: ((this: object) => unknown)[] =
    Reflect.get(app, kept('fastify.hooks') ?? '')?.preClose.splice(0) ?? [];
  for (const hook of hooks) await (hook.length === 1 ? promisify(hook) : hook).call(app);
  for (const child of Reflect.get(app, kept('fastify.children') ?? '') ?? []) await runPreClose(child);
}
