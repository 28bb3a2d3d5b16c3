/*
 * Words and figures: how the page and the report that can be copied say what was measured.
 */

/** One line about each transport, for people who do not know it by name. */
export const DESCRIPTIONS = {
  'websocket': 'Both directions at any time; the fastest',
  'xhr-streaming': 'One answer that keeps growing',
  'eventsource': 'Events sent by the server',
  'htmlfile': 'A page that never stops loading',
  'xhr-polling': 'A request for each batch of messages',
  'jsonp-polling': 'A script for each batch of messages',
};

/** What is being done, for the headline of a running check. */
export const STEPS = {
  'info': ['Reaching the server', 'Five short requests, to see how long an answer takes.'],
  'drip': ['Watching a slow download', 'Does it arrive while it is being sent, or all at once?'],
  'tail': ['Waiting for the last bytes', 'Some proxies keep the end of an answer back for a while.'],
  'sizes': ['Sending large messages', 'Up to 512 KiB to the server, and up to 1 MiB from it.'],
  'cookies': ['Looking at cookies', 'Does the browser keep one that this server sets?'],
  'idle': ['Staying connected in silence', 'Nothing is sent for 10, 30 and 60 seconds. '
    + 'Everything else is measured: if you skip the waiting, you only miss whether silent connections are cut.'],
  'seen': ['Judging the results', 'The server compares them with what reached it.'],
};

export function stepWords(name) {
  return STEPS[name] ?? [`Trying ${name}`, `${DESCRIPTIONS[name]}.`];
}

/** Kept reports have null for what a fresh one leaves out. */
export const isNumber = (value) => Number.isFinite(value);

export function milliseconds(duration) {
  if (!isNumber(duration)) return '–';
  if (duration >= 9950) return `${Math.round(duration / 1000)} s`;
  if (duration >= 1000) return `${(duration / 1000).toFixed(1)} s`;
  return `${duration < 9.95 ? Number(duration.toFixed(1)) : Math.round(duration)} ms`;
}

export const seconds = (duration) => `${Number(duration.toFixed(duration < 10 ? 1 : 0))} s`;

export function bytes(count) {
  if (count >= 1024 * 1024) return `${Number((count / 1024 / 1024).toFixed(1))} MiB`;
  if (count >= 1024) return `${Number((count / 1024).toFixed(1))} KiB`;
  return `${count} bytes`;
}

export function median(values) {
  if (!values?.length) return undefined;
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** `2.1 ms`, or with the spread when it is worth telling: `2.1 ms (1 ms to 40 ms)`. */
export function spread(values) {
  if (!values?.length) return '–';
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const middle = milliseconds(median(values));
  return most - least < 1 ? middle : `${middle} (${milliseconds(least)} to ${milliseconds(most)})`;
}

const OUTCOMES = {
  works: 'works',
  refused: 'refused',
  timeout: 'no answer',
  dies: 'opens, then breaks off',
  stalls: 'opens, then goes silent',
  unsupported: 'not in this browser',
  skipped: 'not tried',
};

export const outcomeWords = (outcome) => OUTCOMES[outcome] ?? outcome ?? 'not tried';

/** Whether an outcome is the network's doing: `good`, `bad`, or `none` for what was not tried. */
export function outcomeKind(outcome) {
  if (outcome === 'works') return 'good';
  return ['unsupported', 'skipped', undefined].includes(outcome) ? 'none' : 'bad';
}

/**
 * How a download that was sent in small pieces arrived: `{ kind, words }`. Says what was seen; what
 * it means is for the verdict.
 */
export function dripWords(drip) {
  const { arrivals = [], error } = drip ?? {};
  if (arrivals.length === 0) {
    return { kind: 'bad', words: error ? `Nothing arrived: ${error}.` : 'Nothing arrived.' };
  }
  const total = arrivals.at(-1)[1];
  const portions = arrivals.map(([, soFar], index) => soFar - (arrivals[index - 1]?.[1] ?? 0));
  const largest = Math.max(...portions);
  const broken = error ? ` Then it broke off: ${error}.` : '';
  const first = milliseconds(arrivals[0][0]);
  if (largest > total * 0.8) {
    return {
      kind: 'bad',
      words: `Held until the end: nearly everything arrived at once, the first byte after ${first}.${broken}`,
    };
  }
  if (largest >= 4096) {
    return {
      kind: 'bad',
      words: `Held until ${bytes(largest)}: it arrived in ${portions.length} portions, the first after `
        + `${first}.${broken}`,
    };
  }
  return {
    kind: error ? 'bad' : 'good',
    words: `Not held: it arrived in ${portions.length} portions of at most ${bytes(largest)}, the first after `
      + `${first}.${broken}`,
  };
}

/** When the last bytes arrived of 6 KiB that were sent at once, two seconds before the answer's end. */
export function tailWords(tail) {
  const { arrivals = [], error } = tail ?? {};
  if (arrivals.length === 0) {
    return { kind: 'bad', words: error ? `Nothing arrived: ${error}.` : 'Nothing arrived.' };
  }
  const [last, total] = arrivals.at(-1);
  const [first] = arrivals[0];
  const broken = error ? ` Then it broke off: ${error}.` : '';
  const [size, after] = [bytes(total), milliseconds(last)];
  return last - first > 1000 || first > 1900
    ? { kind: 'bad', words: `The last bytes of ${size} were kept back until ${after}.${broken}` }
    : { kind: error ? 'bad' : 'good', words: `All ${size} were there after ${after}.${broken}` };
}

/** One idle connection's fate. */
export function idleWords({ survived_s: survived, lost_after_s: lost, how, error }) {
  if (!isNumber(lost)) return survived ? `still connected after ${seconds(survived)} of silence` : 'not measured';
  const before = survived ? `survived ${seconds(survived)}, then ` : '';
  const manner = how === 'clean' ? 'closed' : 'cut off';
  return `${before}${manner} after ${seconds(lost)} of silence${error ? ` (${error})` : ''}`;
}

export function busyWords({ survived_s: survived, lost_after_s: lost, error }) {
  return !isNumber(lost)
    ? `still connected after ${seconds(survived)}`
    : `cut off after ${seconds(lost)} although it was in use${error ? ` (${error})` : ''}`;
}

/** Why a large message did not arrive. */
export const sizeProblem = ({ status, error }) => (
  status >= 400 ? `refused, status ${status}` : error ?? 'no answer'
);

export const SEVERITIES = { problem: 'Problem', note: 'Worth knowing', good: 'Good' };

const pad = (text, width) => String(text).padEnd(width);

function transportLines(report) {
  return report.transports.map((transport) => [
    pad(transport.name, 15),
    pad(outcomeWords(transport.outcome), 24),
    isNumber(transport.opened_ms) ? `open ${milliseconds(transport.opened_ms)}` : '',
    transport.echo_ms?.length ? `echo ${spread(transport.echo_ms)}` : '',
    transport.paced_ms?.length ? `five messages after ${transport.paced_ms.map(Math.round).join(', ')} ms` : '',
    transport.error ?? '',
  ].filter(Boolean).join('  ').trimEnd());
}

function findingLines({ severity, title, what, evidence, advice = [] }) {
  return [
    `[${SEVERITIES[severity] ?? severity}] ${title}`,
    what && `    ${what}`,
    evidence && `    Measured: ${evidence}`,
    ...advice.map(({ where, how }) => `    ${where}: ${how.replace(/\n/g, '\n        ')}`),
  ].filter(Boolean);
}

function measurementLines(report) {
  const sizes = (list) => list.map((size) => (
    `${bytes(size.bytes)} ${size.ok ? milliseconds(size.ms) : sizeProblem(size)}`
  )).join(', ');
  const { info } = report;
  return [
    info && [`Server answers in ${spread(info.round_trips_ms)}`, info.error].filter(Boolean).join('; '),
    report.stream?.drip && `Slow download: ${dripWords(report.stream.drip).words}`,
    report.stream?.tail && `End of an answer: ${tailWords(report.stream.tail).words}`,
    ...transportLines(report),
    report.upload?.length && `To the server: ${sizes(report.upload)}`,
    report.download?.length && `From the server: ${sizes(report.download)}`,
    ...(report.idle ?? []).map((entry) => `Silent ${entry.transport}: ${idleWords(entry)}`),
    report.busy && `Busy websocket: ${busyWords(report.busy)}`,
    report.background && 'The page was in the background for part of the time, so figures may be too large.',
  ].filter(Boolean);
}

/** What the server saw, without the fields of a request that are the same as in `seen.request`. */
function withoutRepetition(seen) {
  if (!seen?.requests) return seen;
  const usual = seen.request?.headers ?? {};
  return {
    ...seen,
    requests: seen.requests.map(({ headers = {}, ...request }) => ({
      ...Object.fromEntries(Object.entries(request).filter(([name, value]) => (
        JSON.stringify(value) !== JSON.stringify(seen.request?.[name])
      ))),
      headers: Object.fromEntries(Object.entries(headers).filter(([name, value]) => (
        JSON.stringify(value) !== JSON.stringify(usual[name])
      ))),
    })),
  };
}

/** What "Copy report" copies. `verdict`, `code` and `seen` may be null. */
export function reportText({ report, verdict, code, seen, at }) {
  return [
    `Connection check of ${report.url}, ${at}`,
    code && `Code: ${code}`,
    '',
    verdict ? verdict.summary : 'The server could not judge this check.',
    ...(verdict?.findings ?? []).flatMap((finding) => ['', ...findingLines(finding)]),
    '',
    'Measurements',
    ...measurementLines(report),
    '',
    'As JSON',
    JSON.stringify({ at, code, verdict, report, seen: withoutRepetition(seen) }),
    '',
  ].filter((line) => line !== null && line !== undefined && line !== false).join('\n');
}
