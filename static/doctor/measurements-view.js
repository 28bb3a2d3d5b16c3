/*
 * The measurements on the page: drawn again from the report whenever there is something new in it.
 */
import { $, definitions, dot, element, svg } from './elements.js';
import { SILENCES } from './idle-test.js';
import {
  busyWords, bytes, DESCRIPTIONS, dripWords, idleWords, isNumber, median, milliseconds, outcomeKind, outcomeWords,
  seconds, sizeProblem, spread, tailWords,
} from './text.js';
import { PACED_FRAMES, PACED_GAP, TRANSPORTS } from './transport-tests.js';

/** In the place of what there is nothing of, in a running check or in a complete one. */
const empty = ({ took_ms: took }) => element('p', {
  className: 'empty', textContent: took ? 'Not measured.' : 'Not measured yet.',
});

// -------------------------------------------------------------------------------------------------
// Transports

/** When five messages were sent (ticks) and when they arrived (dots), from the request on. */
function timeline(paced) {
  const end = Math.max(PACED_FRAMES * PACED_GAP, ...paced);
  const [width, height, inset] = [240, 24, 7];
  const x = (at) => (inset + (at / end) * (width - 2 * inset)).toFixed(1);
  const picture = svg(
    'svg',
    {
      viewBox: `0 0 ${width} ${height}`,
      class: 'timeline',
      role: 'img',
      'aria-label': `Arrived after ${paced.map(Math.round).join(', ')} milliseconds`,
    },
    svg('line', { x1: inset, x2: width - inset, y1: 12, y2: 12, class: 'axis' }),
  );
  for (let index = 0; index < PACED_FRAMES; index += 1) {
    const sent = x(index * PACED_GAP);
    picture.append(svg('line', { x1: sent, x2: sent, y1: 3, y2: 21, class: 'due' }));
  }
  for (const at of paced) picture.append(svg('circle', { cx: x(at), cy: 12, r: 4.5, class: 'came' }));
  return picture;
}

/** How far apart the messages were when they arrived. */
function gapWords(paced) {
  const gaps = paced.slice(1).map((at, index) => at - paced[index]);
  if (gaps.length === 0) return '';
  const [least, most] = [Math.round(Math.min(...gaps)), Math.round(Math.max(...gaps))];
  return `${least === most ? least : `${least} to ${most}`} ms apart`;
}

function cell(label, className, ...children) {
  return element('td', { className, dataset: { label }, attributes: { role: 'cell' } }, ...children);
}

function transportRow(name, transport, running) {
  const outcome = transport?.outcome;
  const state = running ? 'running' : outcomeKind(outcome);
  const words = running ? 'trying…' : outcomeWords(outcome);
  const paced = transport?.paced_ms ?? [];
  const echo = median(transport?.echo_ms);
  const dataset = { transport: name, outcome: running ? 'running' : outcome ?? 'none', state };
  if (isNumber(transport?.opened_ms)) dataset.measured = '';
  return element(
    'tr',
    { dataset, attributes: { role: 'row' } },
    element(
      'th',
      { scope: 'row', attributes: { role: 'rowheader' } },
      element('span', { className: 'mono', textContent: name }),
      element('small', { textContent: DESCRIPTIONS[name] ?? '' }),
    ),
    cell(
      'Outcome',
      'outcome',
      dot(state),
      element(
        'span',
        {},
        words,
        !running && transport?.error ? element('small', { textContent: transport.error }) : null,
      ),
    ),
    cell('First byte', 'number', milliseconds(transport?.first_byte_ms)),
    cell('Open', 'number', milliseconds(transport?.opened_ms)),
    cell('Echo', 'number', milliseconds(echo)),
    cell(
      'Five messages, 300 ms apart',
      'paced',
      ...(paced.length > 0
        ? [timeline(paced), element('small', { textContent: gapWords(paced) })]
        : ['–']),
    ),
  );
}

/** `current` is the transport under test: as far as it is measured, or null. */
export function showTransports(report, current = null) {
  const known = new Map(report.transports.map((transport) => [transport.name, transport]));
  const names = [...new Set([...TRANSPORTS, ...known.keys()])];
  $('transport-rows').replaceChildren(...names.map((name) => (
    name === current?.name && !known.has(name)
      ? transportRow(name, current, true)
      : transportRow(name, known.get(name), false)
  )));
}

// -------------------------------------------------------------------------------------------------
// Streaming

/** Bytes over time: the straight line as they were sent, the steps as they arrived. */
function dripChart(arrivals) {
  const [sentIn, total] = [1550, 32 * 1024];
  const end = Math.max(sentIn, arrivals.at(-1)?.[0] ?? 0) * 1.04;
  const [width, height] = [600, 160];
  const x = (at) => ((at / end) * width).toFixed(1);
  const y = (soFar) => (height - (Math.min(soFar, total) / total) * height).toFixed(1);
  let path = `M0 ${height}`;
  for (const [at, soFar] of arrivals) path += `H${x(at)}V${y(soFar)}`;
  return element(
    'figure',
    { className: 'chart' },
    svg(
      'svg',
      {
        viewBox: `0 -4 ${width} ${height + 8}`,
        preserveAspectRatio: 'none',
        role: 'img',
        'aria-label': `Bytes that had arrived, over ${milliseconds(end)}`,
      },
      svg('line', { x1: 0, y1: height, x2: width, y2: height, class: 'axis' }),
      svg('line', { x1: 0, y1: y(1024), x2: x(sentIn), y2: 0, class: 'sent' }),
      svg('path', { d: path, class: 'received' }),
    ),
    element(
      'figcaption',
      {},
      element('span', { textContent: '0 s' }),
      element(
        'span',
        { className: 'legend' },
        element('span', { className: 'legend-line sent', ariaHidden: 'true' }),
        ' sent ',
        element('span', { className: 'legend-line received', ariaHidden: 'true' }),
        ' arrived',
      ),
      element('span', { textContent: seconds(end / 1000) }),
    ),
  );
}

function fact(title, { kind, words }) {
  return element(
    'div',
    { className: 'fact', dataset: { kind } },
    dot(kind),
    element('p', {}, element('strong', { textContent: title }), ' ', words),
  );
}

export function showStream(report) {
  const { drip, tail } = report.stream ?? {};
  if (!drip && !tail) {
    $('stream-panel').replaceChildren(empty(report));
    return;
  }
  $('stream-panel').replaceChildren(
    dripChart(drip?.arrivals ?? []),
    fact('In pieces.', dripWords(drip)),
    ...(tail ? [fact('The end of an answer.', tailWords(tail))] : []),
  );
}

// -------------------------------------------------------------------------------------------------
// Sizes

function sizeRow(direction, size) {
  const { ok } = size;
  return element(
    'tr',
    { dataset: { state: ok ? 'good' : 'bad' } },
    element('th', { scope: 'row', textContent: `${bytes(size.bytes)} ${direction}` }),
    element(
      'td',
      { className: 'outcome' },
      dot(ok ? 'good' : 'bad'),
      element('span', { textContent: ok ? 'arrived' : sizeProblem(size) }),
    ),
    element('td', { className: 'number', textContent: milliseconds(size.ms) }),
  );
}

export function showSizes(report) {
  const { upload, download } = report;
  const rows = [
    ...(upload ?? []).map((size) => sizeRow('sent', size)),
    ...(download ?? []).map((size) => sizeRow('received', size)),
  ];
  $('sizes-panel').replaceChildren(rows.length === 0 ? empty(report) : element(
    'table',
    { className: 'plain' },
    element('caption', { className: 'hidden', textContent: 'Sizes of messages and how long they took' }),
    element('tbody', {}, ...rows),
  ));
}

// -------------------------------------------------------------------------------------------------
// Idle

function segment(silence, index, entry, current) {
  const lost = entry.lost_after_s;
  const survived = entry.survived_s ?? 0;
  let state = 'none';
  let part = 0;
  if (survived >= silence) [state, part] = ['good', 1];
  else if (current && index === current.silence && !current.over) {
    [state, part] = ['running', Math.min(1, (performance.now() - current.since) / 1000 / silence)];
  } else if (isNumber(lost) && index === SILENCES.findIndex((length) => length > survived)) {
    [state, part] = ['bad', Math.max(0.03, Math.min(1, lost / silence))];
  } else if (!isNumber(lost) && survived > 0 && survived > (SILENCES[index - 1] ?? 0)) {
    [state, part] = ['good', survived / silence];
  }
  const fill = element('span', { className: 'fill' });
  fill.style.setProperty('width', `${(part * 100).toFixed(1)}%`);
  return element(
    'span',
    { className: 'segment', dataset: { state, seconds: silence } },
    fill,
    element('span', { className: 'segment-label', textContent: `${silence} s` }),
  );
}

function idleRow(entry, current) {
  const bad = isNumber(entry.lost_after_s);
  const waiting = current && !current.over;
  const kind = bad ? 'bad' : !waiting && entry.survived_s > 0 ? 'good' : 'none';
  return element(
    'div',
    { className: 'idle-row', dataset: { transport: entry.transport } },
    element('p', { className: 'mono', textContent: entry.transport }),
    element(
      'div',
      { className: 'segments', ariaHidden: 'true' },
      ...SILENCES.map((silence, index) => segment(silence, index, entry, current)),
    ),
    element(
      'p',
      { className: 'idle-words', dataset: { kind } },
      waiting ? `staying silent for ${SILENCES[current.silence]} s` : idleWords(entry),
    ),
  );
}

/** `states` of a running test (see measureIdle), or null: then what is in the report. */
export function showIdle(report, states = null) {
  const { idle, busy, skipped } = report;
  const rows = states
    ? states.map((state) => idleRow(state.entry, state))
    : (idle ?? []).map((entry) => idleRow(entry, null));
  if (busy && !states) {
    rows.push(element(
      'p',
      { className: 'idle-busy' },
      dot(isNumber(busy.lost_after_s) ? 'bad' : 'good'),
      element('span', {}, 'A ', element('span', { className: 'mono', textContent: 'websocket' }),
        ` that was in use all the time: ${busyWords(busy)}.`),
    ));
  }
  if (!states && skipped?.includes('idle')) {
    rows.push(element('p', { className: 'idle-busy muted', textContent: 'The rest of the waiting was skipped.' }));
  }
  $('idle-rows').replaceChildren(...(rows.length > 0 ? rows : [empty(report)]));
}

// -------------------------------------------------------------------------------------------------
// Browser and server

/** As browsers call them, and as the server does. */
const HTTP_NAMES = {
  'http/1.0': 'HTTP/1.0',
  'http/1.1': 'HTTP/1.1',
  'h2': 'HTTP/2',
  'h3': 'HTTP/3',
  '1.0': 'HTTP/1.0',
  '1.1': 'HTTP/1.1',
  '2': 'HTTP/2',
  '2.0': 'HTTP/2',
  '3.0': 'HTTP/3',
};

const httpName = (version) => version && (HTTP_NAMES[version] ?? version);

const COOKIE_WORDS = { true: 'kept', false: 'not kept', null: 'could not be tried' };

const CORS_WORDS = { ok: 'once, as it should be', missing: 'missing', duplicate: 'more than once' };

const heartbeatWords = (service) => {
  if (!service) return null;
  return service.heartbeat_s ? `after ${seconds(service.heartbeat_s)} of silence` : 'off';
};

const mono = (text) => text && element('span', { className: 'mono', textContent: text });

function headerTable(title, headers) {
  const entries = Object.entries(headers ?? {});
  if (entries.length === 0) return null;
  return element(
    'details',
    {},
    element('summary', { textContent: `${title} (${entries.length})` }),
    definitions('headers', entries.map(([name, value]) => [name, [value].flat().join(', ')])),
  );
}

function requestLine({ at_ms: at, transport, kind, http_version: version, headers, status }) {
  return [
    isNumber(at) ? `${Math.round(at)} ms` : null,
    transport,
    kind,
    httpName(version),
    headers?.upgrade ? `Upgrade: ${headers.upgrade}` : null,
    status,
  ].filter(Boolean).join('  ');
}

function requestList(requests) {
  if (!requests?.length) return null;
  return element(
    'details',
    {},
    element('summary', { textContent: `Requests of this check that reached the server (${requests.length})` }),
    element(
      'ol',
      { className: 'requests', tabIndex: 0, attributes: { 'aria-label': 'Requests' } },
      ...requests.map((request) => element('li', { textContent: requestLine(request) })),
    ),
  );
}

export function showServer(report, seen = null) {
  const { info, cookies, stream } = report;
  if (!info) {
    $('server-panel').replaceChildren(empty(report));
    return;
  }
  const request = seen?.request;
  $('server-panel').replaceChildren(...[
    definitions('facts', [
      ['An answer takes', info.error && !info.round_trips_ms?.length ? info.error : spread(info.round_trips_ms)],
      ['Browser speaks', mono(httpName(info.http_version))],
      ['Server was spoken to in', mono(httpName(request?.http_version))],
      ['Server was reached from', mono(request?.peer)],
      ['It was asked for', mono([request?.scheme, request?.host].filter(Boolean).join('://'))],
      ['Heartbeat of this service', heartbeatWords(seen?.service)],
      ['Answers from a cache', info.round_trips_ms?.length > 1 && (info.cached ? 'yes' : 'no')],
      ['Permission for other sites', CORS_WORDS[info.cors]],
      ['Cookies', cookies && COOKIE_WORDS[String(cookies.first_party)]],
      ['Cookies in a frame', cookies && COOKIE_WORDS[String(cookies.iframe)]],
      ['Cookies that arrived', mono(request?.cookie_names?.join(', '))],
    ]),
    headerTable('Fields of a request, as the server saw them', request?.headers),
    headerTable('Fields of an answer, as the browser saw them', stream?.drip?.headers),
    requestList(seen?.requests),
  ].filter(Boolean));
}

/** Everything, from a report that is complete. */
export function showMeasurements(report, seen) {
  showTransports(report);
  showStream(report);
  showSizes(report);
  showIdle(report);
  showServer(report, seen);
}
