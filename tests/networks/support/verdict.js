/*
 * What the facts of a contact (page/contact.js) amount to.
 *
 * | verdict | meaning |
 * |---|---|
 * | `ok` | opened, every message came back unchanged and in order, survived the silence |
 * | `NO` | never opened |
 * | `DIES` | closed while messages were exchanged |
 * | `STALL` | stayed open, but messages did not come back |
 * | `CORRUPT` | a message came back changed, or in another's place, or ran as a script |
 * | `SLOW` | everything came back, but took long |
 * | `cut` | closed during the silence, or when it was over |
 */

// An exchange of all messages takes some round trips. A server or proxy that holds one back until something else comes
// holds it for as long as a heartbeat takes.
const SLOW = 3_000;
const SLOW_ROUND_TRIPS = 4;

const median = (numbers) => numbers.toSorted((one, other) => one - other)[numbers.length >> 1];

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
  if (talk.scripted) return conclude('CORRUPT', ` ${opened}, a message ran as a script`);
  if (!burst.same) return conclude('CORRUPT', ` ${opened}, message ${burst.received} of ${burst.expected}`);
  if (talk.closed) {
    const died = talk.closed.at - talk.opened.at;
    return conclude('DIES', ` ${opened}, ${closing(talk.closed)} after ${duration(died)}`, ended(talk.closed));
  }
  if (burst.received < burst.expected) return conclude('STALL', ` ${opened}, ${burst.received} of ${burst.expected} echoed`);
  if (talk.lostPing !== undefined) return conclude('STALL', ` ${opened}, ping ${talk.lostPing + 1} not echoed`);
  if (rest.lost) {
    return conclude('cut', `@${seconds(rest.quietFor)} ${opened}, ${closing(rest.lost)}`, {
      ...ended(rest.lost), quietFor: rest.quietFor,
    });
  }
  if (!rest.echo.same) return conclude('CORRUPT', ` ${opened}, after the silence`);
  if (rest.echo.received < 1) return conclude('STALL', ` ${opened}, nothing echoed after the silence`);
  if (burst.ms > SLOW + SLOW_ROUND_TRIPS * seen.rtt) {
    return conclude('SLOW', ` ${opened}, messages took ${duration(burst.ms)}`);
  }
  return conclude('ok', ` ${opened} ${duration(seen.rtt)}`);
}

export const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(1)}s`;

/** `87` (milliseconds) or `1.9s`. */
export const duration = (milliseconds) => (milliseconds < 1000 ? String(milliseconds) : seconds(milliseconds));
