/** A way to the service manager. No method of it throws or blocks. */
export interface Notifier {
  /** Sends one datagram with these assignments, after those that wait. */
  send(...assignments: string[]): void;
  /** Sends an assignment unless it waits already. */
  sendOnce(assignment: string): void;
  /** Resolves when no message waits. */
  sent(): Promise<void>;
  /** Sends no more, also no message that waits. */
  close(): void;
}

/** The most messages that wait; above that the oldest is dropped. */
export const MOST_WAITING = 100;
