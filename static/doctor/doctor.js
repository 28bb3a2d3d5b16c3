/*
 * The page that checks a connection: starts the tests, shows how far they are, and what came of them.
 *
 * `?start` begins at once. `?result=CODE` shows a result that the server has kept.
 */
import { $ } from './elements.js';
import { fetchResult, IDLE_DURATION, judge, runTests, workingTransports } from './run.js';
import {
  showIdle, showMeasurements, showServer, showSizes, showStream, showTransports,
} from './measurements-view.js';
import { reportText, stepWords } from './text.js';
import { showUnjudged, showVerdict } from './verdict-view.js';

// This script is in the folder of everything that the doctor requests.
const BASE = new URL('.', import.meta.url);

const REFRESH = 250;

/** What is on the page, for the copy buttons. */
let shown = null;

/** `idle`, `running`, `loading` (a kept result) or `done`: decides what of the page is shown. */
function setState(state) {
  document.body.dataset.state = state;
}

/** Said by screen readers. */
function announce(text) {
  $('announcer').textContent = text;
}

/** Moves the focus to what is new, unless the user has put it somewhere that is still there. */
function focusOn(target) {
  const { activeElement } = document;
  if (!activeElement || activeElement === document.body || activeElement.offsetParent === null) {
    target.focus({ preventScroll: true });
  }
}

const clock = (milliseconds) => {
  const left = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
};

// -------------------------------------------------------------------------------------------------
// A running check

function showStep(name, part) {
  const [title, detail] = stepWords(name);
  $('step').textContent = `${title}…`;
  $('step-detail').textContent = detail;
  $('bar').value = part;
  $('remaining').textContent = '';
  $('skip').hidden = name !== 'idle';
  announce(name === 'idle'
    ? `${title}. This takes up to ${Math.round(IDLE_DURATION / 1000)} seconds; the button Skip the waiting ends it.`
    : title);
}

/** Counts down while the idle test waits, and lets its bars grow. */
function countDown(report, states) {
  const begin = performance.now();
  const draw = () => {
    const elapsed = performance.now() - begin;
    $('bar').value = Math.min(1, elapsed / IDLE_DURATION);
    $('remaining').textContent = `${clock(IDLE_DURATION - elapsed)} left`;
    showIdle(report(), states());
  };
  draw();
  const timer = setInterval(draw, REFRESH);
  return () => clearInterval(timer);
}

async function check() {
  const skip = new AbortController();
  const endWaiting = () => {
    $('skip').disabled = true;
    skip.abort();
  };
  let report = { transports: [] };
  let idleStates = null;
  let stopCounting = () => {};

  $('skip').disabled = false;
  $('skip').addEventListener('click', endWaiting);
  $('hidden-notice').hidden = true;
  showNotice('start-problem', '');
  showMeasurements(report, null);
  setState('running');
  window.scrollTo({ top: 0, behavior: 'instant' });
  focusOn($('main'));

  const observer = {
    step(name, part) {
      showStep(name, part);
      stopCounting();
      stopCounting = () => {};
      if (name === 'idle') stopCounting = countDown(() => report, () => idleStates);
    },
    measured(partial) {
      report = partial;
      showTransports(report);
      showStream(report);
      showSizes(report);
      showServer(report);
    },
    transport(partial) {
      showTransports(report, partial);
    },
    idle(states) {
      idleStates = states;
      showIdle(report, states);
    },
    hidden(isHidden) {
      if (isHidden) $('hidden-notice').hidden = false;
    },
  };

  let outcome;
  try {
    outcome = await runTests({ base: BASE, skip: skip.signal, observer });
  } catch (error) {
    // Not the network's doing: what the network does is in the report.
    setState('idle');
    showNotice('start-problem', `The check itself failed: ${error.message}. Please tell your support, with the `
      + `name of your browser: ${navigator.userAgent}.`);
    return;
  } finally {
    stopCounting();
    $('skip').removeEventListener('click', endWaiting);
  }
  const { seen } = outcome;
  report = outcome.report;
  let verdict = null;
  let code = null;
  let reason = null;
  try {
    ({ verdict, code } = await judge(BASE, report));
  } catch (error) {
    reason = error.message;
  }
  show({ report, seen, verdict, code, reason, at: new Date().toISOString() });
  // A kept result can be reloaded and passed on; anything else in the address has been dealt with.
  history.replaceState(null, '', code ? `?result=${encodeURIComponent(code)}` : location.pathname);
}

// -------------------------------------------------------------------------------------------------
// What came of it

function show(result) {
  const { report, seen, verdict, code, reason, kept = false, at } = result;
  shown = result;
  $('kept').hidden = !kept;
  if (kept) {
    const when = new Date(at);
    const words = Number.isNaN(when.getTime()) ? at : when.toLocaleString('en-GB');
    $('kept').textContent = `Result ${code}, from ${words}`;
  }
  if (verdict) {
    // Who looks at a kept result has the code.
    showVerdict({ verdict, report, code: kept ? null : code });
  } else {
    showUnjudged({ report, reason, working: workingTransports(report) });
  }
  showMeasurements(report, seen);
  $('report-text').textContent = reportText(result);
  $('again').textContent = kept ? 'Check from here' : 'Run again';
  setState('done');
  window.scrollTo({ top: 0, behavior: 'instant' });
  focusOn($('summary'));
  announce(`Done. ${$('summary').textContent} ${$('summary-rest').textContent}`);
}

async function showKept(code) {
  showNotice('lookup-problem', '');
  setState('loading');
  let result;
  try {
    result = await fetchResult(BASE, code);
  } catch (error) {
    setState('idle');
    $('lookup-code').value = code;
    $('lookup-code').focus();
    showNotice('lookup-problem', error.status === 404
      ? `There is no result with the code ${code}. Results are kept for 24 hours, and only where the server `
        + 'is set up to keep them.'
      : `The result could not be fetched: ${error.message}.`);
    return;
  }
  show({ ...result, code, kept: true });
}

/** Shows `text` in a notice of the page, or hides it when there is none. */
function showNotice(id, text) {
  $(id).textContent = text;
  $(id).hidden = !text;
  if (text) announce(text);
}

// -------------------------------------------------------------------------------------------------
// Buttons

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // There is no clipboard on a page that came without TLS; the older way works there too.
    const field = document.createElement('textarea');
    field.value = text;
    field.readOnly = true;
    field.className = 'hidden';
    document.body.append(field);
    field.select();
    const copied = document.execCommand('copy');
    field.remove();
    return copied;
  }
}

for (const button of document.querySelectorAll('[data-action="copy"]')) {
  const label = button.firstElementChild;
  button.addEventListener('click', async () => {
    const copied = await copyText(reportText(shown));
    label.textContent = copied ? 'Copied' : 'Select it below';
    announce(copied
      ? 'The report has been copied.'
      : 'The report could not be copied; it is at the end of the page.');
    if (!copied) {
      const details = $('report').querySelector('details');
      details.open = true;
      details.scrollIntoView();
      getSelection().selectAllChildren($('report-text'));
    }
    setTimeout(() => { label.textContent = 'Copy report'; }, 2500);
  });
}

for (const id of ['start', 'again']) {
  $(id).addEventListener('click', () => check());
}

$('lookup').addEventListener('submit', (event) => {
  event.preventDefault();
  const code = $('lookup-code').value.trim().toUpperCase();
  history.replaceState(null, '', `?result=${encodeURIComponent(code)}`);
  showKept(code);
});

// -------------------------------------------------------------------------------------------------
// The page

for (const place of document.querySelectorAll('[data-fill="host"]')) {
  place.textContent = location.host;
}

// The newest of what the tests need. Without it, the page goes on saying that the browser is too old.
const canRun = typeof AbortSignal.timeout === 'function';
$('needs-script').hidden = canRun;
$('start').disabled = !canRun;

const query = new URLSearchParams(location.search);
if (!canRun) announce($('needs-script').textContent);
else if (query.has('result')) showKept(query.get('result').trim().toUpperCase());
else if (query.has('start')) check();
