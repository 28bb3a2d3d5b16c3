/*
 * One session: what is known of it, its end by hand, and its frames as they pass.
 */
import { events, get, post } from './api.js';
import { $, ask, element, field, toast } from './elements.js';
import { CAUSES, STATES, age, count, short, size } from './text.js';

/** Rows of the tap that are kept. */
const ROWS = 500;

let id = null;
let over = false;
/** Whether the gateway has told anything of it. */
let known = false;
/** What is known of its end: `{ cause, code, reason }`. */
let end = null;
let tapping = null;
let allowed = false;

const queue = ({ messages, bytes }) => (messages === 0 ? 'empty' : `${count(messages)} messages, ${size(bytes)}`);

const ending = ({ cause, code, reason }) => `${CAUSES[cause] ?? cause}: ${code} ${reason}`.trimEnd();

function details(session) {
  const counted = ({ messages, bytes }) => `${count(messages)} messages, ${size(bytes)}`;
  return [
    ['Service', session.service],
    ['Transport', session.transport],
    ['Address', session.address],
    ['User', session.user],
    ['Issuer', session.issuer],
    ['Identity ends in', session.expires_in_seconds === null ? null : age(session.expires_in_seconds)],
    ['Age', age(session.age_seconds)],
    ['From the browser', counted(session.received)],
    ['To the browser', counted(session.sent)],
    ['Queued to the browser', queue(session.queued.to_browser)],
    ['Queued to the backend', queue(session.queued.to_backend)],
    ['Responses or sockets', count(session.receivers)],
    ['End', session.end && ending(session.end)],
    ['ID', session.id],
  ].filter(([, value]) => value !== null && value !== undefined);
}

function setState(kind, words) {
  const state = $('session-state');
  state.textContent = words;
  state.dataset.kind = kind;
  state.hidden = !words;
}

/** What is said of a session that the gateway does not have. */
function goneWords() {
  if (end) return `This session has ended: ${ending(end)}`;
  if (known) return 'This session has ended. Why is a line of the log, “session ended”, with the ID below.';
  return 'There is no session with this ID. It has ended before this page was opened, or there never was one.';
}

function gone(words) {
  over = true;
  setState('none', known ? 'ended' : 'unknown');
  $('kick').disabled = true;
  const problem = $('session-problem');
  problem.textContent = words;
  problem.hidden = false;
}

/** Shows what is known now. */
export async function refresh() {
  if (over || id === null) return;
  const asked = id;
  let session;
  try {
    session = await get(`sessions/${asked}`);
  } catch (error) {
    if (error.status !== 404 && error.status !== 400) throw error;
    if (asked === id) gone(error.status === 404 ? goneWords() : error.message);
    return;
  }
  if (asked !== id) return;
  known = true;
  end = session.end ?? end;
  $('session-title').textContent = `Session ${short(session.id)}`;
  setState(...(STATES[session.state] ?? ['none', session.state]));
  $('session-details').replaceChildren(...details(session).map(([term, value]) => element(
    'div',
    {},
    element('dt', { textContent: term }),
    element('dd', { textContent: value }),
  )));
}

const ARROWS = { in: ['←', 'from the browser'], out: ['→', 'to the browser'] };

function describe(event) {
  if (event.frame === 'messages') {
    return [event.messages === 1 ? 'message' : `${count(event.messages)} messages`, size(event.bytes)];
  }
  if (event.frame === 'close') return [`close ${event.code} ${event.reason}`, ''];
  return [event.frame, ''];
}

function content(message) {
  if (message.binary !== undefined) return `(${size(message.binary)} of binary)`;
  return message.bytes === undefined ? message.text : `${message.text}… (${size(message.bytes)})`;
}

function addRow(row) {
  const scroll = $('tap-scroll');
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 24;
  const body = $('tap-rows');
  body.append(row);
  while (body.children.length > ROWS) body.firstElementChild.remove();
  // Who has scrolled back reads.
  if (atEnd) scroll.scrollTop = scroll.scrollHeight;
}

function note(words) {
  addRow(element('tr', { className: 'note' }, element('td', { colSpan: 4, textContent: words })));
}

function tapped(event) {
  if (event.missed) note(`${count(event.missed)} events were missed: they came faster than they could be shown`);
  const [arrow, direction] = ARROWS[event.direction];
  const [what, bytes] = describe(event);
  const frame = element('td', { className: 'frame' }, element('span', { textContent: what }));
  for (const message of event.contents ?? []) frame.append(element('code', { textContent: content(message) }));
  addRow(element(
    'tr',
    { dataset: { direction: event.direction, frame: event.frame } },
    element('td', { className: 'number', textContent: `${(event.age_ms / 1000).toFixed(3)} s` }),
    element(
      'td',
      { className: 'arrow' },
      element('span', { textContent: arrow, ariaHidden: 'true' }),
      element('span', { className: 'hidden', textContent: direction }),
    ),
    frame,
    element('td', { className: 'number', textContent: bytes }),
  ));
}

function stopTap(words) {
  tapping?.abort();
  tapping = null;
  $('tap').textContent = 'Watch';
  $('tap').classList.add('primary');
  $('tap-contents').disabled = !allowed;
  if (words) $('tap-state').textContent = words;
}

async function startTap() {
  const own = new AbortController();
  tapping = own;
  const contents = $('tap-contents').checked;
  $('tap').textContent = 'Stop watching';
  $('tap').classList.remove('primary');
  $('tap-contents').disabled = true;
  $('tap-state').textContent = contents ? 'Watching, with what messages say.' : 'Watching; sizes only.';
  try {
    await events(`sessions/${id}/tap?contents=${contents}`, own.signal, (name, data) => {
      if (name === 'end') {
        known = true;
        end = data ?? end;
        note(end ? `Session ended: ${ending(end)}` : 'Session ended');
        gone(goneWords());
      } else {
        tapped(data);
      }
    });
    if (tapping === own) stopTap(over ? 'The session has ended.' : 'The gateway ended the watching.');
  } catch (error) {
    if (tapping === own) stopTap(error.status ? error.message : 'The connection to the gateway was lost.');
  }
}

function kick() {
  const own = id;
  return ask({
    title: `End session ${short(own)}?`,
    text: 'What is queued for the browser is delivered first. Browsers that reconnect by themselves come back at once.',
    yes: 'End session',
    danger: true,
    fields: [
      field('Close code', { name: 'code', type: 'number', min: 1000, max: 4999, value: 4000, required: true }),
      field('Reason', { name: 'reason', value: 'Ended by the operator', maxLength: 123 }),
    ],
    act: async (form) => {
      const { code, reason } = Object.fromEntries(new FormData(form));
      const { kicked } = await post('kick', { id: own, code: Number(code), reason });
      if (kicked === 1 && own === id) end = { cause: 'operator', code: Number(code), reason };
      toast(kicked === 1 ? 'The session is ended.' : 'The session had ended before.');
      await refresh();
    },
  });
}

/** Shows another session, or none: then nothing is watched. */
export function open(next) {
  if (next === id) return;
  stopTap('Frames are shown from the moment that you watch. They are not kept.');
  id = next;
  over = false;
  known = false;
  end = null;
  $('tap-rows').replaceChildren();
  $('session-details').replaceChildren();
  $('session-problem').hidden = true;
  $('kick').disabled = false;
  $('session-title').textContent = next === null ? 'Session' : `Session ${short(next)}`;
  setState('none', '');
}

export function know(status) {
  allowed = status.tap_contents;
  const box = $('tap-contents');
  if (!tapping) box.disabled = !allowed;
  box.parentElement.title = allowed ? '' : 'admin.tap_contents = true in the configuration allows it';
}

export function start() {
  $('kick').addEventListener('click', kick);
  $('tap').addEventListener('click', () => {
    if (tapping) stopTap('Not watching any more.');
    else if (!over && id !== null) startTap();
  });
  $('tap-clear').addEventListener('click', () => $('tap-rows').replaceChildren());
}
