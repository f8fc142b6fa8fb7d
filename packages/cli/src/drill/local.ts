import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { UsageError } from '../program/program.js';

/** The addresses of a host. Throws {@link UsageError} if one is not of this machine, unless `allowed` names the host. */
export async function addressesOf(hostname: string, allowed: string | undefined): Promise<string[]> {
  const host = hostname.replace(/^\[|\]$/g, '');
  let addresses: string[];
  try {
    addresses = (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    throw new UsageError(`--url: ${(error as Error).message}`);
  }
  if (!addresses.every(isOfThisMachine) && allowed !== host)
    throw new UsageError(
      `${host} is not this machine. A drill sends about 500 requests a second: if you may, add --yes-really ${host}`,
    );
  return addresses;
}

/** Whether an address leads to this machine. */
export function isOfThisMachine(address: string): boolean {
  const own = new BlockList();
  own.addSubnet('127.0.0.0', 8, 'ipv4');
  for (const each of ['0.0.0.0', '::', '::1']) own.addAddress(each, kindOf(each));
  for (const { address: mine } of Object.values(networkInterfaces()).flatMap((each) => each ?? []))
    own.addAddress(mine, kindOf(mine));
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  const plain = mapped ?? address;
  return isIP(plain) !== 0 && own.check(plain, kindOf(plain));
}

function kindOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}
