import { inForeground } from '../supervisor/terminal.js';

/** Calls `act` at each Enter that is typed on the terminal of this process. */
export function onEnter(act: () => void): void {
  const { stdin } = process;
  // The system stops a process that reads from its terminal in the background.
  if (!stdin.isTTY || !inForeground()) return;
  stdin.setEncoding('utf8');
  stdin.on('data', (typed) => {
    if (String(typed).includes('\n')) act();
  });
  // The terminal is gone.
  stdin.on('error', () => {});
}
