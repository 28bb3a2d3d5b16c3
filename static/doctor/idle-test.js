/*
 * Whether connections stay open while nothing is said, as they do on a page that somebody reads; and
 * whether one that is busy stays open all the same.
 */
import { Conversation } from './conversation.js';
import { delay } from './timing.js';

/** Seconds of silence, one after the other, each followed by an echo. */
export const SILENCES = [10, 30, 60];

/** Milliseconds that all of it takes, if nobody skips. */
export const DURATION = SILENCES.reduce((sum, seconds) => sum + seconds, 0) * 1000;

const OPEN_LIMIT = 5000;
const ECHO_LIMIT = 10000;
const BUSY_GAP = 1000;

const seconds = (milliseconds) => Math.round(milliseconds / 100) / 10;

function noteLoss(entry, error, after) {
  entry.lost_after_s = seconds(after);
  entry.how = error.clean ? 'clean' : 'abrupt';
  entry.error = error.message;
  if (error.status) entry.status = error.status;
  if (error.frame) entry.close = error.frame;
}

/** One idle connection. `changed()` is called when `entry` or `state` has changed. */
async function staySilent(session, entry, state, skip, changed) {
  await session.opened;
  for (const [index, silence] of SILENCES.entries()) {
    const begin = performance.now();
    Object.assign(state, { silence: index, since: begin });
    changed();
    await Promise.race([delay(silence * 1000, skip), session.closed]);
    // Said before the echo, whose own time is no silence.
    const silent = Math.min(performance.now() - begin, silence * 1000);
    try {
      await session.echo(`silence ${index}`, ECHO_LIMIT);
    } catch (error) {
      noteLoss(entry, error, silent);
      return;
    }
    if (skip.aborted) {
      entry.survived_s = Math.max(entry.survived_s, seconds(silent));
      return;
    }
    entry.survived_s = silence;
  }
}

/** An echo every second, until `done` is aborted. */
async function stayBusy(session, done) {
  const { signal } = done;
  const start = performance.now();
  try {
    await session.opened;
    for (let echo = 0; !signal.aborted; echo += 1) {
      await session.echo(`busy ${echo}`, ECHO_LIMIT);
      await Promise.race([delay(BUSY_GAP, signal), session.closed]);
    }
    return { survived_s: seconds(performance.now() - start) };
  } catch (error) {
    const result = {};
    noteLoss(result, error, (error.at ?? performance.now() - start));
    return result;
  }
}

/**
 * Leaves a session of each transport silent, at the same time. `skip` is an AbortSignal that ends the
 * waiting: what has been silent by then is still proven by an echo. `busy` says whether a WebSocket
 * is to be kept busy meanwhile.
 *
 * `onchange(states)` hears of every change; a state is `{ entry, silence, since, over }`: the part of
 * the report, the index of the silence that it is in, when that began (performance.now()).
 *
 * Resolves to `{ idle, busy }` of the report.
 */
export async function measureIdle({ service, run, transports, busy, skip, onchange = () => {} }) {
  const states = transports.map((transport) => ({
    entry: { transport, survived_s: 0 }, silence: 0, since: performance.now(), over: false,
  }));
  const changed = () => onchange(states);
  const done = new AbortController();

  const silent = Promise.all(states.map(async (state) => {
    const session = new Conversation(service, run, state.entry.transport, OPEN_LIMIT);
    try {
      await staySilent(session, state.entry, state, skip, changed);
    } catch (error) {
      // It has worked before, and now does not open.
      noteLoss(state.entry, error, 0);
    }
    session.close();
    state.over = true;
    changed();
  }));

  let busyResult = null;
  const active = busy ? (async () => {
    const session = new Conversation(service, run, 'websocket', OPEN_LIMIT);
    busyResult = await stayBusy(session, done);
    session.close();
  })() : null;

  await silent;
  done.abort();
  await active;
  return { idle: states.map(({ entry }) => entry), busy: busyResult };
}
