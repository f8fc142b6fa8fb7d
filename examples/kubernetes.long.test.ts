import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { Deployment, type IDeployment } from 'kubernetes-models/apps/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Service } from 'kubernetes-models/v1';
import { expect, onTestFinished, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { serve, until } from '../conformance/dist/index.js';
import { blocksOf, read } from '../test/markdown.js';
import { get } from '../testkit/dist/index.js';

const HERE = import.meta.dirname;
const manifests: Record<string, unknown>[] = parseAllDocuments(
  readFileSync(path.join(HERE, 'kubernetes/app.yaml'), 'utf8'),
).map((document) => document.toJS());

const KINDS = {
  Deployment: { of: 'apps/v1', check: (it: object) => new Deployment(it as never).validate() },
  Service: { of: 'v1', check: (it: object) => new Service(it as never).validate() },
  PodDisruptionBudget: {
    of: 'policy/v1',
    check: (it: object) => new PodDisruptionBudget(it as never).validate(),
  },
};
const kindOf = ({ kind }: Record<string, unknown>) => KINDS[kind as keyof typeof KINDS];

const deployment = manifests[0] as unknown as IDeployment & { spec: NonNullable<IDeployment['spec']> };
const pod = deployment.spec.template.spec as NonNullable<typeof deployment.spec.template.spec>;
const [container] = pod.containers as [(typeof pod.containers)[0]];
const delay = Number(container.env?.find(({ name }) => name === 'SHUTDOWN_DELAY')?.value);

test('each manifest matches the schema of its kind', () => {
  expect(manifests.map(({ kind }) => kind)).toEqual(Object.keys(KINDS));
  for (const manifest of manifests) {
    expect(manifest.apiVersion).toBe(kindOf(manifest).of);
    kindOf(manifest).check(manifest);
  }
  const wrong = { ...deployment, spec: { ...deployment.spec, replicas: '3' } };
  expect(() => KINDS.Deployment.check(wrong)).toThrow(/replicas must be integer/);
});

test('no field of a manifest has a name that its kind does not know', async () => {
  // The schemas let unknown fields pass; the types that are made of them do not.
  const folder = mkdtempSync(path.join(HERE, 'kubernetes/.work-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const compile = async (all: Record<string, unknown>[]) => {
    const source = all.map(
      (it, at) =>
        `import type { I${it.kind} } from 'kubernetes-models/${kindOf(it).of}';\nexport const it${at}: I${it.kind} = ${JSON.stringify(it)};\n`,
    );
    writeFileSync(path.join(folder, 'manifests.ts'), source.join(''));
    const tsc = path.join(HERE, '../node_modules/typescript/bin/tsc');
    const args = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext'];
    const { stdout } = await promisify(execFile)(process.execPath, [
      tsc,
      ...args,
      path.join(folder, 'manifests.ts'),
    ]).catch((error: { stdout: string }) => error);
    return stdout;
  };
  expect(await compile(manifests)).toBe('');
  const misspelt = JSON.parse(JSON.stringify(manifests).replace('readinessProbe', 'readynessProbe'));
  expect(await compile(misspelt)).toContain('readynessProbe');
});

test('a pod has more time to exit than endless needs, and its probe notices within the delay that it exits', () => {
  const source = readFileSync(path.join(HERE, 'docker/server.js'), 'utf8');
  checkTimes(delay, settingIn(source, 'hammerTime'), { ...pod, ...container });
  expect(deployment.spec.template.metadata?.labels).toEqual(deployment.spec.selector.matchLabels);
});

test('docs/deploying.md shows the same times of both', () => {
  const [, section = ''] = read('docs/deploying.md').split(/^## Kubernetes$/m);
  const [program, manifest] = blocksOf(section).map(({ text }) => text) as [string, string];
  checkTimes(settingIn(program, 'shutdownDelay'), settingIn(program, 'hammerTime'), parse(manifest));
});

function settingIn(source: string, name: string): number {
  return Number(new RegExp(`${name}: ([\\d_]+)`).exec(source)?.[1]?.replace('_', ''));
}

function checkTimes(
  delay: number,
  hammerTime: number,
  {
    terminationGracePeriodSeconds = 30,
    readinessProbe: { periodSeconds = 10, failureThreshold = 3 } = {},
  }: Pick<typeof pod, 'terminationGracePeriodSeconds'> & Pick<typeof container, 'readinessProbe'>,
) {
  // The supervisor of `endless run` ends a worker that hangs 2 s after its deadline.
  expect(terminationGracePeriodSeconds * 1_000).toBeGreaterThan(hammerTime + 2_000);
  expect(hammerTime).toBeGreaterThan(delay);
  expect(delay).toBeGreaterThan(periodSeconds * failureThreshold * 1_000);
}

test('while it shuts down, a pod is alive and not ready for its probes, and still serves', async () => {
  const { program, port } = await serve(
    path.join(HERE, 'docker/server.js'),
    {},
    { env: { SHUTDOWN_DELAY: '1500' }, ready: /serving on .*, generation 0/ },
  );
  const answer = async (target = '') => (await get({ port, path: target })).status;
  const live = container.livenessProbe?.httpGet?.path;
  const ready = container.readinessProbe?.httpGet?.path;
  expect([await answer(live), await answer(ready)]).toEqual([200, 200]);
  program.signal('SIGTERM');
  await until(async () => (await answer(ready)) === 503);
  expect([await answer(live), await answer(ready), await answer('/')]).toEqual([200, 503, 200]);
  expect(await program.exited).toEqual({ code: 0, signal: null });
});
