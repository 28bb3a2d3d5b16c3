/*
 * What can be learnt with plain requests: /info, responses that arrive in pieces, cookies, and what
 * the server saw. Every function resolves to its part of the report; what went wrong is in it.
 */
import { requestProblem, round, within } from './timing.js';

const INFO_REQUESTS = 5;
const INFO_LIMIT = 5000;

// What the gateway says with 403 to pages that a service's `origins` do not let in.
const FORBIDDEN_ORIGIN = 'Forbidden origin.';

// The drip takes 1.6 s and the tail 2 s to send.
const STREAM_LIMIT = 12000;
const MOST_ARRIVALS = 200;

const COOKIE_LIMIT = 5000;
const SEEN_LIMIT = 8000;

// Fields by which things on the way make themselves known.
const TELLING_HEADERS = [
  'age', 'alt-svc', 'cache-control', 'cf-cache-status', 'cf-ray', 'content-encoding', 'content-length',
  'content-type', 'server', 'transfer-encoding', 'via', 'x-amz-cf-id', 'x-cache', 'x-powered-by',
  'x-served-by', 'x-varnish',
];

function tellingHeaders(headers) {
  return Object.fromEntries(TELLING_HEADERS
    .filter((name) => headers.has(name))
    .map((name) => [name, headers.get(name).slice(0, 200)]));
}

function failed(response) {
  return Object.assign(new Error(`http status ${response.status}`), { status: response.status });
}

/** Several times /info. `onmeasured(result)` hears of each answer. */
export async function measureInfo(base, onmeasured = () => {}) {
  const url = new URL('sockjs/info', base).href;
  const result = { round_trips_ms: [], error: null, cached: false, cors: null };
  const entropies = [];
  for (let request = 0; request < INFO_REQUESTS; request += 1) {
    const start = performance.now();
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(INFO_LIMIT) });
      result.status = response.status;
      if (response.status === 403 && await response.text() === FORBIDDEN_ORIGIN) result.cause = 'origin';
      if (!response.ok) throw failed(response);
      const { websocket, entropy } = await response.json();
      result.round_trips_ms.push(round(performance.now() - start));
      result.websocket = websocket === true;
      result.cached ||= entropies.includes(entropy);
      entropies.push(entropy);
      // To its own origin a browser shows the fields; several of them are joined by commas.
      const allowed = response.headers.get('access-control-allow-origin');
      if (allowed) result.cors = allowed.includes(',') ? 'duplicate' : 'ok';
      onmeasured(result);
    } catch (error) {
      result.error = requestProblem(error, INFO_LIMIT);
      if (error instanceof SyntaxError) result.cause = 'not-sockjs';
      // Once may be an accident; what fails twice will fail five times.
      if (request > 0) break;
    }
  }
  result.http_version = performance.getEntriesByName(url).at(-1)?.nextHopProtocol || null;
  return result;
}

/** When the bytes of one response arrive: `[milliseconds, bytes so far]`. */
async function readPieces(url, onarrival) {
  const result = { arrivals: [], headers: {}, error: null };
  const start = performance.now();
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(STREAM_LIMIT) });
    result.headers = tellingHeaders(response.headers);
    if (!response.ok) throw failed(response);
    if (!response.body) throw new Error('this browser cannot read responses in pieces');
    const reader = response.body.getReader();
    let total = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      total += value.length;
      if (result.arrivals.length < MOST_ARRIVALS) {
        result.arrivals.push([round(performance.now() - start), total]);
        onarrival(result);
      }
    }
  } catch (error) {
    result.error = requestProblem(error, STREAM_LIMIT);
  }
  return result;
}

/** `kind` is `drip` (32 times 1 KiB, every 50 ms) or `tail` (6 KiB, and the end 2 s later). */
export function measureStream(base, run, kind, onarrival = () => {}) {
  return readPieces(new URL(`stream?kind=${kind}&run=${run}`, base).href, onarrival);
}

/** Whether the browser keeps the service's test cookie. */
export async function keepsCookies(base) {
  const url = new URL('cookie', base).href;
  // The first answer sets it, the second says whether it came back.
  for (let request = 0; request < 2; request += 1) {
    const response = await fetch(url, {
      credentials: 'include', cache: 'no-store', signal: AbortSignal.timeout(COOKIE_LIMIT),
    });
    if (!response.ok) throw failed(response);
    const { cookies } = await response.json();
    if (request === 1) return cookies.includes('doctor');
  }
  return false;
}

async function keepsCookiesInIframe(base) {
  const iframe = document.createElement('iframe');
  iframe.hidden = true;
  iframe.title = 'Cookie test';
  const url = new URL('frame.html', base);
  let receive;
  try {
    return await within(2 * COOKIE_LIMIT, new Promise((resolve, reject) => {
      receive = (event) => {
        if (event.source !== iframe.contentWindow || event.origin !== url.origin) return;
        if (typeof event.data?.keepsCookies === 'boolean') resolve(event.data.keepsCookies);
        else reject(new Error('the iframe could not tell'));
      };
      window.addEventListener('message', receive);
      iframe.src = url.href;
      document.body.append(iframe);
    }), 'the iframe did not answer');
  } finally {
    window.removeEventListener('message', receive);
    iframe.remove();
  }
}

/** `{ first_party, iframe }`, either null when that could not be found out; null when neither could. */
export async function measureCookies(base) {
  const orNull = (promise) => promise.catch(() => null);
  const first_party = await orNull(keepsCookies(base));
  const iframe = await orNull(keepsCookiesInIframe(base));
  return first_party === null && iframe === null ? null : { first_party, iframe };
}

/** A JSON answer of the doctor; rejects with a sentence for the user. */
export async function fetchJson(url, limit = SEEN_LIMIT, options = {}) {
  let response;
  try {
    response = await fetch(url, { cache: 'no-store', ...options, signal: AbortSignal.timeout(limit) });
    const text = await response.text();
    if (response.ok) return JSON.parse(text);
    // The service answers in one line; a proxy's error page would only be in the way.
    const said = text.length < 300 && !text.includes('<') ? text.trim() : '';
    throw Object.assign(
      new Error(said || `the answer had status ${response.status}`),
      { status: response.status },
    );
  } catch (error) {
    if (error.status) throw error;
    if (error instanceof SyntaxError) {
      throw new Error('something else than the service answered', { cause: error });
    }
    throw new Error(requestProblem(error, limit), { cause: error });
  }
}

export const fetchSeen = (base, run) => fetchJson(new URL(`seen?run=${run}`, base).href);

