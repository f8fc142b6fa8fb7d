import { nodeBinaries } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { expectUnnoticed, restartsBehind } from './behind-a-proxy.js';
import { has, PROXIES } from './proxies.js';

for (const [name, start] of PROXIES)
  describe.skipIf(!has(name))(`behind ${name}, which keeps its connections (needs ${name})`, () => {
    for (const { version, path: node } of nodeBinaries())
      test(`20 restarts under load fail no request and make it open no connection, Node ${version}`, async () => {
        expectUnnoticed(await restartsBehind(start, 20, {}, node));
      });

    test('control: without migration a restart makes it open new connections', async () => {
      const { connections } = await restartsBehind(start, 1, { migrate: false, idleGrace: 500 });
      expect(connections[1]).toBeGreaterThan(connections[0] as number);
    });
  });
