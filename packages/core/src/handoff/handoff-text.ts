import type { World } from '../world.js';
import { type HandedSocket, type Handoff, PROTOCOL } from './protocol.js';

/** The parts of the first process's surroundings that a successor keeps. */
export type Surroundings = Pick<Handoff, 'notify' | 'pidFile' | 'foreground'>;

/** What a handoff says about the new process. */
export interface HandoffRequest {
  /** The generation of the new process. */
  generation: number;
  /** The listening sockets that go to it over the channel. */
  sockets: readonly HandedSocket[];
  surroundings: Surroundings;
}

/** A handoff as text, and this process's descriptors that the new one inherits, in order. */
export interface HandoffText {
  text: string;
  fds: number[];
}

/** Makes the handoff of this process. The descriptors of the surroundings get the numbers from `firstFd` on. */
export function handoffText(world: World, request: HandoffRequest, firstFd: number): HandoffText {
  const { generation, sockets, surroundings } = request;
  const { notify, pidFile, ...others } = surroundings;
  const handoff: Handoff = {
    protocol: PROTOCOL,
    pid: world.pid,
    generation,
    sockets: [...sockets],
    ...(notify !== undefined && { notify: firstFd }),
    ...(pidFile !== undefined && { pidFile: firstFd + (notify === undefined ? 0 : 1) }),
    ...others,
  };
  const fds = [notify, pidFile].filter((fd) => fd !== undefined);
  return { text: JSON.stringify(handoff), fds };
}
