import { Agent, get } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadOptions } from '../testkit/dist/index.js';

/** What has become of a load over TLS. */
export interface TlsLoadReport {
  lost: string[];
  /** How many requests each process answered. */
  answers: Map<string, number>;
}

/** A load that runs. */
export interface TlsLoad extends TlsLoadReport {
  /** Lets requests in flight come to their end. */
  stop(): Promise<TlsLoadReport>;
}

/** Starts clients over TLS that keep their connections and do not retry: a request without its answer is lost. */
export function startTlsLoad({ port, connections, timeout = 5_000 }: LoadOptions, ca: Buffer): TlsLoad {
  const report: TlsLoadReport = { lost: [], answers: new Map() };
  let running = true;

  const ask = (agent: Agent) =>
    new Promise<string>((resolve, reject) => {
      const options = { host: 'localhost', port, agent, ca, signal: AbortSignal.timeout(timeout) };
      const request = get(options, async (response) => {
        try {
          let body = '';
          for await (const chunk of response) body += chunk;
          if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${body}`);
          resolve(body);
        } catch (error) {
          reject(error);
        }
      });
      request.on('error', reject);
    });

  const work = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (running) {
      try {
        const pid = /pid (\d+)/.exec(await ask(agent))?.[1] ?? 'nobody';
        report.answers.set(pid, (report.answers.get(pid) ?? 0) + 1);
      } catch (error) {
        report.lost.push(String(error));
        await sleep(20);
      }
    }
    agent.destroy();
  };

  const workers = Promise.all(Array.from({ length: connections }, work));
  return {
    ...report,
    async stop() {
      running = false;
      await workers;
      return report;
    },
  };
}
