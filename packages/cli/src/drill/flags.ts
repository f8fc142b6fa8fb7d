/** The flags of `endless drill`. Times are milliseconds. */
export interface DrillFlags {
  url?: string;
  do?: string;
  path?: string[];
  method?: string;
  body?: string;
  header?: string[];
  /** Clients that keep their connection. */
  connections: number;
  /** Clients that open a connection for each request. */
  new: number;
  websocket?: string[];
  times: number;
  /** How long the clients go on after each step before the next one. */
  every: number;
  /** The most lost requests with which the drill passes. */
  maxLost: number;
  /** The longest p99 during the steps with which the drill passes. */
  maxP99?: number;
  workers?: number;
  json?: boolean;
  /** The file of the HTML report. */
  report?: string;
  /** The host outside of this machine that the user allows. */
  yesReally?: string;
}
