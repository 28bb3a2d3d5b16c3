/*
 * What the facts of a contact (page/contact.js) amount to.
 *
 * | verdict | meaning |
 * |---|---|
 * | `ok` | opened, every message came back unchanged and in order, survived the silence |
 * | `NO` | never opened |
 * | `DIES` | closed while messages were exchanged |
 * | `STALL` | stayed open, but messages did not come back |
 * | `CORRUPT` | a message came back changed, or in another's place |
 * | `SLOW` | everything came back, but took long |
 * | `cut` | closed during the silence, or when it was over |
 * | `SCRIPT` | all of that is well, but a message with `<script>` in it ran as a script, or was lost |
 */

// A server or proxy that holds a message back until something else comes, holds it for as long as a heartbeat takes. Of
// single messages two must be late, since a busy machine can be late with one; an exchange of all takes some round trips.
const LATE = 1_000;
export const SLOW = 3_000;
const SLOW_ROUND_TRIPS = 4;

const median = (numbers) => [...numbers].sort((one, other) => one - other)[numbers.length >> 1];

/** `{ kind, text, ok }` and, as far as they are known, `open`, `transport`, `rtt`, `at`, `code`, `reason`. */
export function verdictOf({ talk, rest }) {
  const seen = {
    open: talk.opened?.at,
    transport: talk.opened?.transport,
    rtt: talk.roundTrips.length > 0 ? median(talk.roundTrips) : undefined,
  };
  const conclude = (kind, text, more = {}) => ({ kind, text: `${kind}${text}`, ok: kind === 'ok', ...seen, ...more });
  const closing = (closed) => `${closed.code}${closed.reason ? ` ${closed.reason}` : ''}`;
  const ended = ({ code, reason, at }) => ({ code, reason, at });

  if (!talk.opened) {
    return talk.closed
      ? conclude('NO', ` ${talk.closed.code} at ${duration(talk.closed.at)}`, ended(talk.closed))
      : conclude('NO', ` within ${duration(talk.gaveUpAt)}`);
  }
  const opened = `${duration(talk.opened.at)} ${talk.opened.transport}`;
  const { burst } = talk;
  if (!burst.same) return conclude('CORRUPT', ` ${opened}, message ${burst.received} of ${burst.expected}`);
  if (talk.closed) {
    const died = talk.closed.at - talk.opened.at;
    return conclude('DIES', ` ${opened}, ${closing(talk.closed)} after ${duration(died)}`, ended(talk.closed));
  }
  if (burst.received < burst.expected) return conclude('STALL', ` ${opened}, ${burst.received} of ${burst.expected} echoed`);
  if (talk.lost) {
    return talk.lost.same
      ? conclude('STALL', ` ${opened}, ${talk.lost.length} characters not echoed`)
      : conclude('CORRUPT', ` ${opened}, ${talk.lost.length} characters`);
  }
  if (rest.lost) {
    return conclude('cut', `@${seconds(rest.quietFor)} ${opened}, ${closing(rest.lost)}`, {
      ...ended(rest.lost), quietFor: rest.quietFor,
    });
  }
  if (!rest.echo.same) return conclude('CORRUPT', ` ${opened}, after the silence`);
  if (rest.echo.received < 1) return conclude('STALL', ` ${opened}, nothing echoed after the silence`);
  const slowest = Math.max(burst.ms, ...talk.singles);
  const roundTrips = SLOW_ROUND_TRIPS * seen.rtt;
  if (slowest > SLOW + roundTrips || talk.singles.filter((ms) => ms > LATE + roundTrips).length > 1) {
    return conclude('SLOW', ` ${opened}, a message took ${duration(slowest)}`, { slowest });
  }
  const isUnharmed = rest.markup.same && rest.markup.received === rest.markup.expected && !rest.scripted;
  return conclude(isUnharmed ? 'ok' : 'SCRIPT', ` ${opened} ${duration(seen.rtt)}`);
}

/** The verdict in a table: `ok 87 websocket 2`, `cut@3.0s`. Without `named`, the transport is known from elsewhere. */
export function brief({ kind, open, transport, rtt, code, slowest, quietFor }, { named }) {
  const over = named && transport ? ` ${transport}` : '';
  switch (kind) {
    case 'ok':
    case 'SCRIPT': return `${kind} ${duration(open)}${over} ${duration(rtt)}`;
    case 'DIES': return `DIES${over} ${code}`;
    case 'SLOW': return `SLOW${over} ${duration(slowest)}`;
    case 'cut': return `cut@${seconds(quietFor)}${over}`;
    default: return `${kind}${over}`;
  }
}

export const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(1)}s`;

/** `87` (milliseconds) or `1.9s`. */
export const duration = (milliseconds) => (milliseconds < 1000 ? String(milliseconds) : seconds(milliseconds));
