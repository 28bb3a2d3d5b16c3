/*
 * The demo page: what sockjs.js can open, shown. Everything that arrives is set as text, never as
 * markup.
 */
import { SockJSConnection, TRANSPORTS } from './sockjs.js';

// One line about each transport, for people who do not know it by name.
const DESCRIPTIONS = {
  'websocket': 'SockJS frames over one WebSocket',
  'raw-websocket': 'Plain WebSocket, no SockJS frames',
  'xhr-streaming': 'One response that keeps growing',
  'eventsource': 'Server-sent events',
  'iframe-eventsource': 'The same, through the iframe page',
  'htmlfile': 'A page that keeps loading scripts',
  'iframe-htmlfile': 'The same, through the iframe page',
  'xhr-polling': 'A request for each batch of messages',
  'iframe-xhr-polling': 'The same, through the iframe page',
  'jsonp-polling': 'A script for each batch of messages',
};

// Every carrier has a character it must escape: `%` in event streams, `<` in script, line separators,
// characters outside the basic plane, quotes.
const ECHO_MESSAGE = 'Grüße, 100% “quoted” \'"\\ </script> <!-- \u2028 🛰️ %41';

const ECHO_TIMEOUT = 10000;
const LOG_LIMIT = 500;
const SHOWN_CHARACTERS = 160;

const $ = (id) => document.getElementById(id);

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function milliseconds(duration) {
  return `${duration < 10 ? duration.toFixed(1) : Math.round(duration)} ms`;
}

/** `text` in one line with its invisible characters made visible, shortened when long. */
function shown(text) {
  const head = text.slice(0, SHOWN_CHARACTERS)
    .replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202f\ufeff]/g, (character) => (
      `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
    ));
  if (text.length <= SHOWN_CHARACTERS) return head;
  return `${head} … (${text.length.toLocaleString('en')} characters)`;
}

/** Adds a line to a log, drops the oldest over the limit, and stays at the end if it was there. */
function appendLine(log, line) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 8;
  log.append(line);
  while (log.childElementCount > LOG_LIMIT) {
    log.firstElementChild.remove();
  }
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function setState(output, state, text) {
  output.dataset.state = state;
  output.textContent = text;
}

// -------------------------------------------------------------------------------------------------
// The frames of every connection on the page

function logFrame(transport, event) {
  const received = event.direction === 'in';
  appendLine($('wire-log'), element(
    'li',
    { className: event.direction },
    element('span', { className: 'at', textContent: milliseconds(event.at) }),
    element(
      'span',
      { className: 'direction' },
      element('span', { className: 'hidden', textContent: received ? 'received' : 'sent' }),
      element('span', { ariaHidden: 'true', textContent: received ? '←' : '→' }),
    ),
    element('span', { className: 'via', textContent: transport }),
    element('span', { className: 'text', textContent: shown(event.text) }),
  ));
}

function logNote(text, at) {
  appendLine($('wire-log'), element(
    'li',
    { className: 'note' },
    element('span', { className: 'at', textContent: milliseconds(at) }),
    element('span', { className: 'direction', ariaHidden: 'true', textContent: '·' }),
    element('span', { className: 'text', textContent: text }),
  ));
}

function connect(service, transport) {
  const connection = new SockJSConnection(service, {
    transport,
    onframe: (event) => logFrame(connection.transport, event),
  });
  connection.addEventListener('attempt', (event) => {
    logNote(`${event.transport} to ${service}`, event.at);
  });
  connection.addEventListener('failure', (event) => {
    logNote(`${event.transport} did not open: ${event.reason}`, event.at);
  });
  connection.addEventListener('close', (event) => {
    logNote(`closed ${event.code} ${event.reason}`, event.at);
  });
  return connection;
}

// -------------------------------------------------------------------------------------------------
// Run all transports

/** Resolves with the first event of the type; rejects with the reason if the connection closes first. */
function next(connection, type) {
  return new Promise((resolve, reject) => {
    connection.addEventListener(type, resolve, { once: true });
    if (type !== 'close') {
      connection.addEventListener('close', (event) => {
        reject(new Error(event.reason || `closed with code ${event.code}`));
      }, { once: true });
    }
  });
}

function within(duration, promise, problem) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(problem)), duration);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

async function measureEcho(transport, row) {
  const connection = connect('/echo', transport);
  try {
    row.opened((await next(connection, 'open')).at);
    const echoed = next(connection, 'message');
    const sent = performance.now();
    connection.send(ECHO_MESSAGE);
    const { text } = await within(ECHO_TIMEOUT, echoed, 'no echo in 10 s');
    if (text !== ECHO_MESSAGE) throw new Error('the echo came back changed');
    row.echoed(performance.now() - sent);
  } finally {
    connection.close();
  }
}

async function measureClose(transport, row) {
  const connection = connect('/close', transport);
  try {
    const { code, reason } = await within(ECHO_TIMEOUT, next(connection, 'close'), 'no close in 10 s');
    row.closed(code, reason);
    if (code !== 3000 || reason !== 'Go away!') throw new Error('expected 3000 Go away!');
  } finally {
    connection.close();
  }
}

function makeRow(transport) {
  const cell = (label, className = '') => {
    const made = element('td', { className, textContent: '–' });
    made.setAttribute('role', 'cell');
    made.dataset.label = label;
    return made;
  };
  const name = element(
    'th',
    { scope: 'row' },
    element('span', { className: 'mono', textContent: transport }),
    element('small', { textContent: DESCRIPTIONS[transport] }),
  );
  name.setAttribute('role', 'rowheader');
  const opened = cell('Opened', 'number');
  const echo = cell('Echo', 'number');
  const close = cell('Close');
  const verdict = cell('Verdict', 'verdict');
  const row = element('tr', {}, name, opened, echo, close, verdict);
  row.setAttribute('role', 'row');
  row.dataset.transport = transport;
  $('rows').append(row);

  const judge = (kind, text) => {
    row.dataset.verdict = kind;
    verdict.textContent = text;
  };
  judge('none', 'not run');
  return {
    transport,
    wait() {
      for (const value of [opened, echo, close]) value.textContent = '–';
      judge('none', 'waiting');
    },
    start: () => judge('running', 'running'),
    opened: (duration) => { opened.textContent = milliseconds(duration); },
    echoed: (duration) => { echo.textContent = milliseconds(duration); },
    closed: (code, reason) => { close.textContent = `${code} ${reason}`.trim(); },
    good: () => judge('good', 'works'),
    bad: (reason) => judge('bad', reason),
  };
}

const rows = TRANSPORTS.map(makeRow);

async function runAll() {
  let working = 0;
  $('run').disabled = true;
  for (const row of rows) row.wait();
  // One after the other: side by side they would wait for each other, since a browser allows six
  // HTTP/1.1 connections to a host.
  for (const row of rows) {
    $('summary').textContent = `Running ${row.transport}…`;
    row.start();
    try {
      await measureEcho(row.transport, row);
      await measureClose(row.transport, row);
      row.good();
      working += 1;
    } catch (error) {
      row.bad(error.message);
    }
  }
  const summary = $('summary');
  summary.textContent = working === rows.length
    ? `All ${rows.length} transports work from here.`
    : `${working} of ${rows.length} transports work from here.`;
  summary.dataset.verdict = working === rows.length ? 'good' : 'bad';
  $('run').disabled = false;
}

$('run').addEventListener('click', () => {
  delete $('summary').dataset.verdict;
  runAll();
});

// -------------------------------------------------------------------------------------------------
// A connection that the user opens, uses and closes

/**
 * Joins the forms of a section to one connection at a time. `ids` is the section's prefix, `words`
 * the labels of its button, `service()` the service to open, `outgoing(text)` the message to send.
 */
function connectionForms({ ids, words, service, outgoing, onmessage, hint }) {
  const [state, opener, submit, input] = ['state', 'open', 'submit', 'message'].map((name) => $(`${ids}-${name}`));
  let connection = null;

  function open() {
    const opened = connect(service(), $(`${ids}-transport`).value);
    connection = opened;
    opener.textContent = words.close;
    setState(state, 'busy', 'Connecting…');
    opened.addEventListener('open', (event) => {
      setState(state, 'open', `Open over ${event.transport} after ${milliseconds(event.at)}.`);
      submit.disabled = false;
    });
    if (onmessage) opened.addEventListener('message', onmessage);
    opened.addEventListener('close', (event) => {
      setState(state, event.wasClean ? 'idle' : 'failed', `Closed: ${event.code} ${event.reason}`.trim());
      submit.disabled = true;
      opener.textContent = words.open;
      connection = null;
    });
  }

  opener.form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (connection) connection.close();
    else open();
  });
  submit.form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (connection?.state === 'open') {
      connection.send(outgoing(input.value));
      input.select();
    } else {
      setState(state, state.dataset.state, hint);
    }
  });
}

for (const transport of TRANSPORTS) {
  for (const select of [$('wire-transport'), $('broadcast-transport')]) {
    select.append(element('option', { value: transport, textContent: transport }));
  }
}

connectionForms({
  ids: 'wire',
  words: { open: 'Open', close: 'Close' },
  service: () => $('wire-service').value,
  outgoing: (text) => text,
  hint: 'Not connected. Open a connection first.',
});

$('wire-clear').addEventListener('click', () => $('wire-log').replaceChildren());

connectionForms({
  ids: 'broadcast',
  words: { open: 'Join', close: 'Leave' },
  service: () => '/broadcast',
  outgoing: (text) => `${$('broadcast-name').value}: ${text}`,
  onmessage: (event) => {
    appendLine($('broadcast-log'), element(
      'li',
      {},
      element('time', { className: 'at', textContent: new Date().toLocaleTimeString('en-GB') }),
      element('span', { className: 'text', textContent: shown(event.text) }),
    ));
  },
  hint: 'Not joined. Join first.',
});

$('broadcast-name').value = `guest-${Math.floor(Math.random() * 900 + 100)}`;

// -------------------------------------------------------------------------------------------------
// The page around it

$('origin').textContent = location.host;
$('snippet').textContent = $('snippet').textContent.replace('http://127.0.0.1:8080', location.origin);

for (const button of document.querySelectorAll('[data-copy]')) {
  button.addEventListener('click', async () => {
    const code = $(button.dataset.copy);
    const label = button.firstChild;
    try {
      await navigator.clipboard.writeText(code.textContent);
      label.data = 'Copied';
    } catch {
      // No clipboard outside a secure context; selected text is one key away from it.
      getSelection().selectAllChildren(code);
      label.data = 'Selected';
    }
    setTimeout(() => { label.data = 'Copy'; }, 1500);
  });
}
