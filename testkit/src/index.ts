export { type GetOptions, type GetResponse, get, type RawExchangeOptions, rawExchange } from './http.js';
export { type Http2Load, type Http2LoadOptions, type Http2LoadReport, startHttp2Load } from './http2-load.js';
export type {
  Load,
  LoadOptions,
  LoadReport,
  LoadRequest,
  LoadResponse,
  Loss,
  LossReason,
} from './load-types.js';
export { type NodeBinary, nodeBinaries, testedNodes } from './node-versions.js';
export { freePort } from './ports.js';
export {
  type Program,
  type ProgramExit,
  type ProgramOptions,
  startProgram,
  type WaitForOptions,
} from './processes.js';
export { startLoad } from './strict-client.js';
