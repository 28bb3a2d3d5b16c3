/*
 * What can be learnt over sessions: whether each transport works and how fast, and how large a
 * message may be. Every function resolves to its part of the report; what went wrong is in it.
 */
import { Conversation, Ended, TIMED_OUT } from './conversation.js';
import { round } from './timing.js';

/** In the order in which they are worth having. */
export const TRANSPORTS = [
  'websocket', 'xhr-streaming', 'eventsource', 'htmlfile', 'xhr-polling', 'jsonp-polling',
];

const OPEN_LIMIT = 5000;
const ECHO_LIMIT = 5000;
const ECHOES = 5;

export const PACED_FRAMES = 5;
export const PACED_GAP = 300;

const UPLOADS = [4 * 1024, 64 * 1024, 512 * 1024];
const DOWNLOADS = [64 * 1024, 512 * 1024, 1024 * 1024];
const SIZE_LIMIT = 20000;

/** Why this browser cannot try a transport, or null. */
function lacking(transport) {
  if (transport === 'websocket' && typeof WebSocket !== 'function') return 'this browser has no WebSocket';
  if (transport === 'eventsource' && typeof EventSource !== 'function') return 'this browser has no EventSource';
  if (transport === 'xhr-streaming' && !('body' in Response.prototype)) {
    return 'this browser cannot read responses in pieces';
  }
  return null;
}

function outcomeOf(error, opened) {
  if (!opened) return error.code === TIMED_OUT ? 'timeout' : 'refused';
  return error instanceof Ended ? 'dies' : 'stalls';
}

/**
 * Opens a session, echoes, has five messages sent 300 ms apart, closes. `onmeasured(result)` hears of
 * each step. Resolves to `{ result, responses }`: the part of the report, and the heads of responses.
 */
export async function measureTransport(service, run, name, onmeasured = () => {}) {
  const result = { name, outcome: 'works', echo_ms: [], paced_ms: [], close: null, error: null };
  const lack = lacking(name);
  if (lack) return { result: { ...result, outcome: 'unsupported', error: lack }, responses: [] };

  onmeasured(result);
  const session = new Conversation(service, run, name, OPEN_LIMIT);
  try {
    result.opened_ms = await session.opened;
    onmeasured(result);
    for (let echo = 0; echo < ECHOES; echo += 1) {
      result.echo_ms.push(await session.echo(`${name} ${echo}`, ECHO_LIMIT));
      onmeasured(result);
    }
    await session.collect(
      `p:${PACED_FRAMES}:${PACED_GAP}`,
      PACED_FRAMES,
      (text) => text.startsWith('p:'),
      PACED_FRAMES * PACED_GAP + ECHO_LIMIT,
      (after) => {
        result.paced_ms.push(after);
        onmeasured(result);
      },
    );
  } catch (error) {
    result.outcome = outcomeOf(error, result.opened_ms !== undefined);
    result.error = error.message;
    if (error.status) result.status = error.status;
    const end = error.socket ?? error.frame;
    if (end) result.close = { ...end, after_ms: error.at };
  }
  if (session.firstByte !== null) result.first_byte_ms = session.firstByte;
  session.close();
  return { result, responses: session.responses };
}

/** Asks for one answer in a session of its own. */
async function measureSize(service, run, transport, { bytes, question, expected }) {
  const session = new Conversation(service, run, transport, OPEN_LIMIT);
  const result = { bytes, ok: false };
  const start = performance.now();
  try {
    await session.opened;
    const mark = question.slice(0, 2);
    const { text, after } = await session.ask(question, (answer) => answer.startsWith(mark), SIZE_LIMIT);
    result.ms = after;
    result.ok = expected(text);
    if (!result.ok) result.error = 'it arrived changed';
  } catch (error) {
    result.ms = round(performance.now() - start);
    result.error = error.message;
    if (error.status) result.status = error.status;
  }
  const send = session.responses.filter(({ purpose }) => purpose === 'send').at(-1);
  if (send) result.status = send.status;
  session.close();
  return result;
}

/** One size after the other; what comes after one that fails would only cost the user's time. */
async function measureSizes(sizes, measure, onmeasured) {
  const results = [];
  for (const bytes of sizes) {
    results.push(await measure(bytes));
    onmeasured(results);
    if (!results.at(-1).ok) break;
  }
  return results;
}

/** Messages to the server, by the requests of an HTTP transport. */
export function measureUploads(service, run, transport, onmeasured = () => {}) {
  return measureSizes(UPLOADS, (bytes) => measureSize(service, run, transport, {
    bytes,
    question: 'u:'.padEnd(bytes, 'x'),
    expected: (answer) => answer === `u:${bytes}`,
  }), onmeasured);
}

/** Messages from the server. */
export function measureDownloads(service, run, transport, onmeasured = () => {}) {
  return measureSizes(DOWNLOADS, (bytes) => measureSize(service, run, transport, {
    bytes,
    question: `d:${bytes}`,
    expected: (answer) => answer.length === bytes,
  }), onmeasured);
}

/**
 * What the answers to requests with an `Origin` (a browser's POST has one) say about who may read
 * them: `ok`, `missing`, `duplicate`, or null when there was none.
 */
export function judgeCors(responses) {
  const answers = responses
    .filter(({ headers, status }) => headers && status < 400)
    .map(({ headers }) => headers.get('access-control-allow-origin'));
  if (answers.length === 0) return null;
  if (answers.some((allowed) => allowed?.includes(','))) return 'duplicate';
  return answers.every(Boolean) ? 'ok' : 'missing';
}
