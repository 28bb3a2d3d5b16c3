/*
 * The table of sessions: filters are the gateway's, which looks at all sessions; columns sort the page that is shown.
 */
import { get } from './api.js';
import { $, cells, element, mark, number, rows } from './elements.js';
import { STATES, age, count, short, size } from './text.js';

const LIMIT = 100;

const queued = ({ queued: { to_browser: out, to_backend: back } }) => out.bytes + back.bytes;

const COLUMNS = [
  { name: 'ID', of: (session) => session.id },
  { name: 'Service', of: (session) => session.service },
  { name: 'Transport', of: (session) => session.transport },
  { name: 'State', of: (session) => session.state },
  { name: 'Age', of: (session) => session.age_seconds, numeric: true },
  { name: 'In', of: (session) => session.received.messages, numeric: true, title: 'Messages from the browser' },
  { name: 'Out', of: (session) => session.sent.messages, numeric: true, title: 'Messages to the browser' },
  { name: 'Queued', of: queued, numeric: true },
  { name: 'Address', of: (session) => session.address ?? '' },
  { name: 'User', of: (session) => session.user ?? '' },
];

let offset = 0;
let shown = [];
/** The column that sorts, and whether from the greatest; `null` is the gateway's order. */
let sorting = null;
/** Only the last question counts. */
let asking = null;

function showHead() {
  const titles = COLUMNS.map((column, index) => {
    const sorts = sorting?.index === index;
    const button = element('button', { type: 'button', className: 'sort', textContent: column.name, title: column.title ?? '' });
    button.addEventListener('click', () => {
      if (!sorts) sorting = { index, down: Boolean(column.numeric) };
      else if (sorting.down === Boolean(column.numeric)) sorting = { index, down: !column.numeric };
      else sorting = null;
      showHead();
      showRows();
      $('sessions-head').querySelectorAll('button')[index].focus();
    });
    const head = element('th', { scope: 'col', className: column.numeric ? 'number' : '' }, button);
    if (sorts) head.ariaSort = sorting.down ? 'descending' : 'ascending';
    return head;
  });
  $('sessions-head').replaceChildren(element('tr', {}, ...titles));
}

function compare(one, other) {
  const { of } = COLUMNS[sorting.index];
  const [a, b] = sorting.down ? [of(other), of(one)] : [of(one), of(other)];
  return typeof a === 'number' ? a - b : String(a).localeCompare(String(b));
}

function showRows() {
  const sorted = sorting ? [...shown].sort(compare) : shown;
  rows($('sessions-rows'), sorted, (session) => session.id, (row, session) => {
    const link = row.querySelector('a') ?? element('a', { href: `#/sessions/${session.id}`, className: 'mono', textContent: short(session.id) });
    const [kind, words] = STATES[session.state] ?? ['none', session.state];
    cells(
      row,
      { node: link },
      session.service,
      session.transport,
      { node: mark(kind, words) },
      number(age(session.age_seconds)),
      number(count(session.received.messages), size(session.received.bytes)),
      number(count(session.sent.messages), size(session.sent.bytes)),
      number(size(queued(session))),
      { text: session.address ?? '–', className: 'mono' },
      session.user ?? '–',
    );
  });
}

const filters = () => [...new FormData($('filters'))].filter(([, value]) => value !== '');

/** Asks for the page that is to be shown. */
export async function refresh() {
  asking?.abort();
  const own = new AbortController();
  asking = own;
  const query = new URLSearchParams([...filters(), ['limit', LIMIT], ['offset', offset]]);
  const problem = $('filters-problem');
  let list;
  try {
    list = await get(`sessions?${query}`, own.signal);
  } catch (error) {
    if (error.name === 'AbortError') return;
    if (error.status !== 400) throw error;
    problem.textContent = error.message;
    problem.hidden = false;
    return;
  }
  problem.hidden = true;
  if (list.total > 0 && list.sessions.length === 0 && offset > 0) {
    // So many have gone that this page is behind the last.
    offset = 0;
    await refresh();
    return;
  }
  shown = list.sessions;
  showRows();
  const some = filters().some(([name]) => name !== 'sort');
  $('sessions-count').textContent = `${count(list.total)}${some ? ' that fit' : ''}`;
  const empty = $('sessions-empty');
  empty.hidden = list.total > 0;
  empty.textContent = some ? 'No session fits these filters.' : 'No session is open.';
  const last = offset + list.sessions.length;
  $('page-place').textContent = list.total > LIMIT ? `${count(offset + 1)} to ${count(last)}` : '';
  $('page-before').disabled = offset === 0;
  $('page-after').disabled = last >= list.total;
}

/** The choices of a filter, as the gateway knows them. */
function choices(select, names) {
  const known = [...select.options].slice(1).map(({ value }) => value);
  const chosen = select.value;
  const wanted = [...new Set([...names, ...(chosen ? [chosen] : [])])].sort();
  if (wanted.join('\n') === known.join('\n')) return;
  select.replaceChildren(select.options[0], ...wanted.map((name) => element('option', { textContent: name, value: name })));
  select.value = chosen;
}

export function know(status) {
  choices($('filter-service'), status.services.map(({ prefix }) => prefix));
  choices($('filter-transport'), Object.keys(status.transports));
}

export function start(failed) {
  showHead();
  const anew = () => {
    offset = 0;
    refresh().catch(failed);
  };
  let typing;
  $('filters').addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(anew, 200);
  });
  $('filters').addEventListener('submit', (event) => {
    event.preventDefault();
    anew();
  });
  // The form has its values of before until the event is over.
  $('filters').addEventListener('reset', () => setTimeout(anew));
  $('page-before').addEventListener('click', () => {
    offset = Math.max(0, offset - LIMIT);
    refresh().catch(failed);
  });
  $('page-after').addEventListener('click', () => {
    offset += LIMIT;
    refresh().catch(failed);
  });
}
