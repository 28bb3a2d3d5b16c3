/*
 * The gateway as a whole: rates over time, transports, ends, services and their upstreams.
 */
import { bars, tile } from './charts.js';
import { $, cells, mark, number, rows } from './elements.js';
import { CAUSES, age, count, rate, size } from './text.js';

const tiles = {
  sessions: tile('Sessions', [''], count),
  messages: tile('Messages per second', ['to browsers', 'from browsers'], rate),
  bytes: tile('Bytes per second', ['to browsers', 'from browsers'], size),
  changes: tile('Sessions per second', ['opened', 'ended'], rate),
};

/** What was counted before, and when. */
let before = null;

export function start() {
  $('tiles').replaceChildren(...Object.values(tiles).map(({ node }) => node));
}

/** How fast each of the totals grows; nothing where the gateway has begun anew. */
function rates(status, now) {
  const { totals } = status;
  const flat = {
    opened: totals.opened,
    ended: Object.values(totals.ended).reduce((sum, value) => sum + value, 0),
    messagesOut: totals.sent.messages,
    messagesIn: totals.received.messages,
    bytesOut: totals.sent.bytes,
    bytesIn: totals.received.bytes,
  };
  const last = before;
  before = { now, pid: status.pid, flat };
  if (last?.pid !== status.pid || now <= last.now) return null;
  const seconds = (now - last.now) / 1000;
  const grown = Object.entries(flat).map(([name, value]) => [name, Math.max(0, value - last.flat[name]) / seconds]);
  return Object.fromEntries(grown);
}

/** After a break, what was counted before says nothing of the time since. */
export function interrupted() {
  before = null;
}

function showTiles(status) {
  const grown = rates(status, performance.now()) ?? {};
  const two = (one, other, format) => [
    [grown[one] ?? NaN, grown[other] ?? NaN],
    [grown[one], grown[other]].map((value) => (value === undefined ? '–' : format(value))),
  ];
  tiles.sessions.update([status.sessions], [count(status.sessions)]);
  tiles.messages.update(...two('messagesOut', 'messagesIn', rate));
  tiles.bytes.update(...two('bytesOut', 'bytesIn', size));
  tiles.changes.update(...two('opened', 'ended', rate));
}

function upstream(service) {
  const known = service.upstream;
  if (!known) return { text: '–', className: 'muted' };
  if (known.up === null) return { node: mark('none', 'not tried yet') };
  const last = known.last_try_seconds === null ? '' : `, ${age(known.last_try_seconds)} ago`;
  if (known.up) return { node: mark('good', `up${last}`), title: `${count(known.succeeded)} dials succeeded, ${count(known.failed)} failed` };
  if (known.refuses) {
    return {
      node: mark('note', `reached, refuses: ${known.refuses}${last}`),
      title: `${count(known.failed_in_a_row)} dials were refused or failed in a row; the last: ${known.problem}`,
    };
  }
  return {
    node: mark('bad', `down${last}: ${known.problem ?? ''}`),
    className: 'wraps',
    title: `${count(known.failed_in_a_row)} dials failed in a row`,
  };
}

function showServices(status) {
  rows($('services'), status.services, (service) => `${service.prefix} ${service.leaving}`, (row, service) => {
    const reached = Object.entries(service.limits_reached).filter(([, value]) => value > 0);
    const limits = reached.map(([name, value]) => `${name.replaceAll('_', ' ')}: ${count(value)}`).join('\n');
    const sum = reached.reduce((total, [, value]) => total + value, 0);
    const what = [service.leaving && 'leaving', service.doctor && 'doctor'].filter(Boolean);
    cells(
      row,
      { text: `${service.prefix || '(all paths)'}${what.length ? ` (${what.join(', ')})` : ''}`, className: 'strong' },
      number(count(service.sessions)),
      number(count(service.max_sessions)),
      number(size(service.queue_memory.used), `of ${size(service.queue_memory.limit)}`),
      number(sum > 0 ? count(sum) : '–', limits),
      { text: service.backend ?? '–', className: 'mono wraps' },
      upstream(service),
    );
  });
}

export function show(status) {
  const listeners = status.listeners.map(({ address, tls }) => (tls ? `${address} (TLS)` : address)).join(', ');
  $('facts').textContent = [
    `sockjs-gateway ${status.version}`,
    `process ${status.pid}`,
    `up ${age(status.uptime_seconds)}`,
    listeners,
    `queues ${size(status.queue_memory.used)} of ${size(status.queue_memory.limit)}`,
  ].join('  ·  ');
  showTiles(status);
  bars($('mix'), Object.entries(status.transports), 'No session is open.');
  const ended = Object.entries(status.totals.ended).filter(([, value]) => value > 0);
  const named = ended.map(([cause, value]) => [CAUSES[cause] ?? cause, value, cause]);
  bars($('ends'), named, 'None has ended since the gateway was started.');
  showServices(status);
}
