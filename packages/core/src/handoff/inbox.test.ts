import { expect, test } from 'vitest';
import { Inbox } from './inbox.js';

type Message = { type: 'accepting' } | { type: 'restart-again' } | { type: 'stop'; deadline: number };

/** An inbox, and the messages that each phase got. */
function phases() {
  const got: string[] = [];
  const inbox = new Inbox<Message>((type) => got.push(`ignored: ${type}`));
  const second = {
    'restart-again': () => got.push('second: restart-again'),
    stop: ({ deadline }: { deadline: number }) => got.push(`second: stop ${deadline}`),
  };
  return { inbox, got, second };
}

test('messages that come in one breath with the end of a phase reach the next phase, in order', () => {
  const { inbox, got, second } = phases();
  inbox.open({
    accepting: () => {
      got.push('first: accepting');
      inbox.hold();
    },
    stop: () => got.push('first: stop'),
  });
  inbox.receive({ type: 'accepting' });
  inbox.receive({ type: 'stop', deadline: 1 });
  inbox.receive({ type: 'restart-again' });
  expect(got).toEqual(['first: accepting']);
  inbox.open(second);
  inbox.receive({ type: 'stop', deadline: 2 });
  expect(got).toEqual(['first: accepting', 'second: stop 1', 'second: restart-again', 'second: stop 2']);
});

test('a message that is put back goes first to the next phase', () => {
  const { inbox, got, second } = phases();
  inbox.receive({ type: 'stop', deadline: 1 });
  inbox.receive({ type: 'restart-again' });
  inbox.open({
    stop: (stop) => {
      inbox.hold();
      inbox.putBack(stop);
    },
  });
  inbox.open(second);
  expect(got).toEqual(['second: stop 1', 'second: restart-again']);
});

test('a phase that opens while messages are handed out gets the rest of them', () => {
  const { inbox, got, second } = phases();
  inbox.receive({ type: 'accepting' });
  inbox.receive({ type: 'stop', deadline: 1 });
  inbox.open({ accepting: () => inbox.open(second) });
  expect(got).toEqual(['second: stop 1']);
});

test('a phase ignores the messages that it does not know, which the debug log shows', () => {
  const { inbox, got, second } = phases();
  inbox.open(second);
  inbox.receive({ type: 'accepting' });
  expect(got).toEqual(['ignored: accepting']);
});
