/*
 * The verdict on the page: the card at the top and the findings below it.
 */
import { $, definitions, dot, element, svg, withCode } from './elements.js';
import { milliseconds, SEVERITIES } from './text.js';

/** A shape for each mood of the card, besides its colour. */
const SIGNS = {
  good: 'M14 25l7 7 14-16',
  note: 'M24 12v16M24 34.5v.5',
  problem: 'M24 12v16M24 34.5v.5',
  bad: 'M16 16l16 16M32 16L16 32',
  unknown: 'M18 18.5c0-8 12-8 12-.5 0 5-6 5-6 10M24 35v.5',
};

const ORDER = ['problem', 'note', 'good'];

function showSign(mood) {
  $('verdict').dataset.mood = mood;
  $('sign').replaceChildren(
    svg('circle', { cx: 24, cy: 24, r: 23, class: 'sign-ground' }),
    svg('path', { d: SIGNS[mood], class: 'sign-line' }),
  );
}

/** The first sentence is the headline. */
function showSummary(text) {
  const [, headline, rest] = /^(.*?[.!?])\s+(\p{Lu}.*)$/su.exec(text) ?? [null, text, ''];
  $('summary').textContent = headline;
  $('summary-rest').textContent = rest;
  $('summary-rest').hidden = !rest;
}

function moodOf(verdict) {
  if (!verdict.works) return 'bad';
  return verdict.findings.some(({ severity }) => severity === 'problem') ? 'problem' : 'good';
}

function adviceList(advice) {
  if (advice.length === 0) return null;
  return element(
    'div',
    { className: 'advice' },
    element('h4', { textContent: 'What to change' }),
    element('dl', {}, ...advice.map(({ where, how }) => element(
      'div',
      {},
      element('dt', { textContent: where }),
      element('dd', {}, ...withCode(how)),
    ))),
  );
}

function findingItem({ id, severity, title, what, evidence, advice = [] }) {
  const details = element(
    'details',
    { open: severity === 'problem' },
    element(
      'summary',
      {},
      dot(severity),
      element('h3', { textContent: title }),
      element('span', { className: 'tag', textContent: SEVERITIES[severity] ?? severity }),
    ),
    element(
      'div',
      { className: 'finding-body' },
      element('p', {}, ...withCode(what)),
      evidence ? element(
        'p',
        { className: 'evidence' },
        element('span', { textContent: 'Measured' }),
        element('span', { className: 'mono', textContent: evidence }),
      ) : null,
      adviceList(advice),
    ),
  );
  return element('li', { className: 'finding', dataset: { id, severity } }, details);
}

function count(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

function showFindings(findings) {
  const sorted = [...findings].sort((one, other) => (
    ORDER.indexOf(one.severity) - ORDER.indexOf(other.severity)
  ));
  $('findings').hidden = sorted.length === 0;
  $('findings-link').hidden = sorted.length === 0;
  $('finding-list').replaceChildren(...sorted.map(findingItem));
  const problems = sorted.filter(({ severity }) => severity === 'problem').length;
  $('findings-lead').textContent = problems > 0
    ? `${count(problems, 'thing', 'things')} to change. Show this part to whoever looks after your network or `
      + 'the server.'
    : 'Nothing has to be changed. Open a line for the figures.';
}

function figures(pairs) {
  $('figures').replaceChildren(...definitions('', pairs).children);
}

/** Shows a verdict of the server. `code` is null when the server does not keep results. */
export function showVerdict({ verdict, report, code }) {
  showSign(moodOf(verdict));
  showSummary(verdict.summary);
  const { best } = verdict;
  figures([
    ['Best way to connect', best && element('span', { className: 'mono', textContent: best.transport })],
    ['Opens in', best && milliseconds(best.open_ms)],
    ['A message, there and back', best && milliseconds(best.message_ms)],
    ['This check took', report.took_ms && milliseconds(report.took_ms)],
  ]);
  showFindings(verdict.findings);
  $('code-box').hidden = !code;
  $('code').textContent = code ?? '';
  notice(report);
}

/** Shows what can be said without the server: which transports work, and that nobody judged. */
export function showUnjudged({ report, working, reason }) {
  showSign('unknown');
  showSummary(working.length > 0
    ? `${working.length} of ${report.transports.length} ways to connect work from here. But the server could not `
      + 'judge the results.'
    : 'No way to connect worked from here. The server could not be asked why.');
  figures([
    ['Works', working.length > 0 && element('span', { className: 'mono', textContent: working.join(', ') })],
    ['This check took', milliseconds(report.took_ms)],
  ]);
  showFindings([]);
  $('code-box').hidden = true;
  notice(report, `Asking for the verdict failed: ${reason}. The measurements below are complete: copy the report `
    + 'and give it to your support.');
}

function notice(report, first = '') {
  const background = report.background
    ? 'The page was in the background for part of the check, so some figures may be too large. Run it again with '
      + 'the page in front if that matters.'
    : '';
  $('verdict-notice').textContent = [first, background].filter(Boolean).join(' ');
  $('verdict-notice').hidden = !first && !background;
}
