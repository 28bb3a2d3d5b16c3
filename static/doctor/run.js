/*
 * One check: the tests in their order, and the report of them. Nothing here judges.
 */
import { fetchJson, fetchSeen, measureCookies, measureInfo, measureStream } from './http-tests.js';
import { DURATION, measureIdle } from './idle-test.js';
import { round, stayInFront } from './timing.js';
import {
  judgeCors, measureDownloads, measureTransport, measureUploads, TRANSPORTS,
} from './transport-tests.js';

const VERDICT_LIMIT = 15000;

/** Streaming transports, best first. */
const STREAMING = ['xhr-streaming', 'eventsource', 'htmlfile'];

function randomRun() {
  return Array.from(
    crypto.getRandomValues(new Uint8Array(8)),
    (byte) => byte.toString(16).padStart(2, '0'),
  ).join('');
}

/** The names of the transports of a report that work, best first. */
export const workingTransports = (report) => TRANSPORTS.filter((name) => (
  report.transports?.some((transport) => transport.name === name && transport.outcome === 'works')
));

/**
 * Runs every test. `base` is the URL of the doctor's folder, `skip` an AbortSignal that ends the idle
 * test.
 *
 * `observer` has functions: `step(name, part)`, when a test begins, with the part of the quick tests
 * that is done (0 to 1); `measured(report)`, when there is something new in it; `transport(partial)`,
 * about the transport under test; `idle(states)`, see measureIdle; `hidden(isHidden)`, when the page
 * leaves the front or comes back.
 *
 * Resolves to `{ report, seen }`; `seen` is what the server saw, or null. Never rejects for what the
 * network does: that is in the report.
 */
export async function runTests({ base, skip, observer }) {
  const start = performance.now();
  const run = randomRun();
  const service = new URL('sockjs', base).href;
  const report = {
    schema: 1,
    run,
    agent: 'page',
    user_agent: navigator.userAgent,
    url: location.href.split(/[?#]/)[0],
    transports: [],
    upload: [],
    download: [],
    idle: [],
    busy: null,
    cookies: null,
    skipped: [],
  };
  const measured = () => observer.measured(report);
  const front = stayInFront(observer.hidden);

  const quick = ['info', 'drip', 'tail', ...TRANSPORTS, 'sizes', 'cookies'];
  const step = (name) => observer.step(name, quick.includes(name) ? quick.indexOf(name) / quick.length : 1);

  try {
    step('info');
    report.info = await measureInfo(base, (info) => {
      report.info = info;
      measured();
    });

    report.stream = {};
    for (const kind of ['drip', 'tail']) {
      // Where nothing arrived once, waiting for it again would only cost the user's time.
      if (report.stream.drip?.arrivals.length === 0) break;
      step(kind);
      report.stream[kind] = await measureStream(base, run, kind, (piece) => {
        report.stream[kind] = piece;
        measured();
      });
    }

    // One after the other: side by side they would wait for each other, since a browser allows six
    // HTTP/1.1 connections to a host.
    const posted = [];
    for (const name of TRANSPORTS) {
      step(name);
      const index = report.transports.length;
      // In the report only once it is known how it ends.
      const { result, responses } = await measureTransport(service, run, name, observer.transport);
      report.transports[index] = result;
      // jsonp's requests need no permission of other sites.
      if (name.startsWith('xhr')) posted.push(...responses);
      measured();
    }
    report.info.cors = report.info.cors === 'duplicate' ? 'duplicate' : judgeCors(posted) ?? report.info.cors;

    step('sizes');
    const working = workingTransports(report);
    const overHttp = working.find((name) => name !== 'websocket');
    if (overHttp) {
      report.upload = await measureUploads(service, run, overHttp, (upload) => {
        report.upload = upload;
        measured();
      });
    }
    if (working.length > 0) {
      report.download = await measureDownloads(service, run, working[0], (download) => {
        report.download = download;
        measured();
      });
    }

    step('cookies');
    report.cookies = await measureCookies(base);
    measured();

    const silent = [
      'websocket', STREAMING.find((name) => working.includes(name)), 'xhr-polling',
    ].filter((name) => working.includes(name));
    if (silent.length > 0) {
      step('idle');
      Object.assign(report, await measureIdle({
        service, run, transports: silent, busy: working.includes('websocket'), skip, onchange: observer.idle,
      }));
      if (skip.aborted) report.skipped.push('idle');
      measured();
    }

    step('seen');
    const seen = await fetchSeen(base, run).catch(() => null);
    if (front.wasHidden) report.background = true;
    report.took_ms = round(performance.now() - start);
    return { report, seen };
  } finally {
    front.stop();
  }
}

/** Milliseconds that the idle test takes at most. */
export const IDLE_DURATION = DURATION;

/** Has the server judge a report: `{ verdict, code }`. Rejects with a sentence for the user. */
export async function judge(base, report) {
  const ask = () => fetchJson(new URL('verdict', base).href, VERDICT_LIMIT, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(report),
  });
  try {
    return await ask();
  } catch (error) {
    if (error.status) throw error;
    // Networks that cut silent connections do it to this one too; it matters enough for a second try.
    return ask();
  }
}

/** What is kept under a code: `{ report, seen, verdict, at }`. */
export const fetchResult = (base, code) => fetchJson(
  new URL(`results/${encodeURIComponent(code)}`, base).href,
);
