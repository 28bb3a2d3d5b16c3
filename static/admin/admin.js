/*
 * The operators' page: asks the gateway every two seconds, and shows one of four views, which the URL's fragment names.
 */
import { forgetToken, get, post, setToken } from './api.js';
import { $, ask, cells, element, field, rows, tell, toast } from './elements.js';
import * as overview from './overview.js';
import * as session from './session.js';
import * as sessions from './sessions.js';
import { count } from './text.js';

const INTERVAL = 2000;

let view = null;
let status = null;
let asking = false;

function trouble(words) {
  const place = $('trouble');
  place.hidden = !words;
  if (place.textContent !== words) place.textContent = words;
}

function setLink(link) {
  document.body.dataset.link = link;
}

function showState() {
  const state = $('state');
  const [kind, words] = {
    true: ['good', 'Ready'],
    false: ['bad', status.stopping ? 'Stopping' : status.readiness],
  }[status.ready];
  state.dataset.kind = status.draining ? 'note' : kind;
  state.textContent = words.charAt(0).toUpperCase() + words.slice(1);
  const drain = $('drain');
  drain.textContent = status.draining ? 'Undrain' : 'Drain…';
  drain.disabled = status.stopping;
  document.title = `${status.ready ? '' : `${words}: `}${count(status.sessions)} sessions, gateway admin`;
}

/** Asks for the token until there is one that is right. */
async function askToken() {
  await ask({
    title: 'Token',
    text: 'This gateway wants to know that you may: what the file of admin.token_file has. It is kept until this tab is closed.',
    yes: 'Continue',
    fields: [field('Token', { name: 'token', type: 'password', required: true })],
    act: async (form) => {
      setToken(new FormData(form).get('token').trim());
      try {
        await get('status');
      } catch (error) {
        if (error.status !== 401) return;
        forgetToken();
        throw new Error('This is not the token.');
      }
    },
  });
}

async function failed(error) {
  if (error.name === 'AbortError') return;
  overview.interrupted();
  if (error.status === 401) {
    setLink('locked');
    trouble('');
    if (!$('ask').open) await askToken();
    return;
  }
  setLink('lost');
  trouble(error.status
    ? `The gateway answers: ${error.message}`
    : 'The gateway does not answer. What is shown is old; trying again…');
}

async function refreshView() {
  if (view === 'sessions') await sessions.refresh();
  if (view === 'session') await session.refresh();
}

async function refresh() {
  if (asking) return;
  asking = true;
  try {
    status = await get('status');
    showState();
    overview.show(status);
    sessions.know(status);
    session.know(status);
    await refreshView();
    setLink('up');
    trouble('');
  } catch (error) {
    await failed(error);
  } finally {
    asking = false;
  }
}

/** What is in force, and in a line of its own what a restart puts in its place. */
const beside = (now, next) => element('span', {}, now, next && element('span', { className: 'next', textContent: next }));

async function showConfig() {
  const { keys } = await get('config');
  const changed = $('config-changed').checked;
  const wanted = keys.filter(({ origin, after_restart: next }) => !changed || origin !== 'default' || next !== null);
  const shown = (value) => (value === null ? '–' : JSON.stringify(value));
  rows($('config-rows'), wanted, ({ key }) => key, (row, { key, value, origin, after_restart: next }) => {
    cells(
      row,
      { text: key, className: 'mono' },
      { node: beside(shown(value), next && `after a restart ${shown(next.value)}`), className: 'mono wraps' },
      { node: beside(origin, next?.origin), className: 'muted' },
    );
  });
  if (wanted.length === 0) {
    $('config-rows').replaceChildren(element('tr', {}, element('td', { colSpan: 3, className: 'muted', textContent: 'Everything is as by default.' })));
  }
}

/** Shows what the URL's fragment names. */
function route() {
  const [, name = '', id = null] = location.hash.split('/').map(decodeURIComponent);
  let next = 'overview';
  if (name === 'config') next = 'config';
  if (name === 'sessions') next = id ? 'session' : 'sessions';
  const moved = view !== null && next !== view;
  view = next;
  for (const part of ['overview', 'sessions', 'session', 'config']) $(part).hidden = part !== view;
  for (const link of document.querySelectorAll('nav a')) {
    const here = link.dataset.view === view || (view === 'session' && link.dataset.view === 'sessions');
    if (here) link.ariaCurrent = 'page';
    else link.removeAttribute('aria-current');
  }
  session.open(view === 'session' ? id : null);
  if (moved) {
    window.scrollTo(0, 0);
    $('main').focus({ preventScroll: true });
  }
  if (view === 'config') showConfig().catch(failed);
  else refreshView().catch(failed);
}

function drain() {
  return ask({
    title: 'Drain this gateway?',
    text: `New sessions are refused, and ${count(status?.sessions)} living ones are ended after what is queued for them. /ready answers 503. The program goes on; Undrain opens it again.`,
    yes: 'Drain',
    danger: true,
    fields: [field('Time over which sessions are ended, in seconds (empty: as configured)', {
      name: 'window', type: 'number', min: 0, max: 86_400, step: 1,
    })],
    act: async (form) => {
      const window = new FormData(form).get('window');
      await post('drain', window === '' ? {} : { window_seconds: Number(window) });
      toast('The gateway drains.', 'note');
      refresh();
    },
  });
}

async function undrain() {
  try {
    await post('undrain');
    toast('New sessions are served.');
    await refresh();
  } catch (error) {
    toast(error.message, 'bad');
  }
}

async function reload() {
  const button = $('reload');
  button.disabled = true;
  try {
    const outcome = await post('reload');
    const changes = [
      ...outcome.added.map((prefix) => `added ${prefix}`),
      ...outcome.removed.map((prefix) => `removed ${prefix}`),
      ...(outcome.needs_restart.length > 0 ? [`needs a restart: ${outcome.needs_restart.join(', ')}`] : []),
    ];
    const warnings = (outcome.warnings ?? []).map((warning) => `warning: ${warning}`);
    if (changes.length + warnings.length === 0) toast('The configuration was read again.');
    else tell({ title: 'The configuration was read again', lines: [...changes, ...warnings] });
    if (view === 'config') await showConfig();
  } catch (error) {
    if (error.mistakes?.length > 0) {
      tell({ title: 'The configuration was not reloaded', text: 'What was in force stays.', lines: error.mistakes });
    } else toast(error.message, 'bad');
  } finally {
    button.disabled = false;
  }
}

overview.start();
sessions.start(failed);
session.start();
$('drain').addEventListener('click', () => (status?.draining ? undrain() : drain()));
$('reload').addEventListener('click', reload);
$('config-changed').addEventListener('change', () => showConfig().catch(failed));
document.querySelector('.skip').addEventListener('click', (event) => {
  // The fragment names the view.
  event.preventDefault();
  $('main').focus();
});
window.addEventListener('hashchange', route);
document.addEventListener('visibilitychange', () => {
  if (document.hidden) overview.interrupted();
  else refresh();
});
route();
refresh();
setInterval(() => {
  if (!document.hidden) refresh();
}, INTERVAL);
