/*
 * What was measured, as tables: for a terminal, and for docs/networks.md.
 *
 * A cell is `{ setup, browser, origin, server, transport, verdicts }`, all but the last names.
 */
import { brief } from './verdict.js';

const ORIGINS = { same: 'page of the same origin', cross: 'page of another origin' };

const unique = (items) => [...new Set(items)];

/** The cells' tables: `{ title, head, rows }`, one of auto and one of transports by name for each browser and origin. */
function tablesOf(cells, setups, titles = {}) {
  const inOrder = setups.map(({ name }) => name).filter((name) => cells.some((cell) => cell.setup === name));
  const tables = [];
  for (const browser of unique(cells.map((cell) => cell.browser))) {
    for (const origin of ['same', 'cross']) {
      const here = cells.filter((cell) => cell.browser === browser && cell.origin === origin);
      const servers = unique(here.map(({ server }) => server)).sort();
      const title = `${titles[browser] ?? browser}, ${ORIGINS[origin]}`;
      const find = (setup, server, transport) => here.find((cell) => (
        cell.setup === setup && cell.server === server && cell.transport === transport
      ));

      const auto = here.filter(({ transport }) => transport === 'auto');
      if (auto.length > 0) {
        const contacts = Math.max(...auto.map(({ verdicts }) => verdicts.length));
        const numbers = Array.from({ length: contacts }, (_, index) => index);
        tables.push({
          title: `A stock application: ${title}`,
          head: ['network', ...servers.flatMap((server) => numbers.map((number) => `${server}, contact ${number + 1}`))],
          rows: inOrder.filter((setup) => auto.some((cell) => cell.setup === setup)).map((setup) => [
            setup,
            ...servers.flatMap((server) => numbers.map((number) => {
              const verdict = find(setup, server, 'auto')?.verdicts[number];
              return verdict ? brief(verdict, { named: true }) : '';
            })),
          ]),
        });
      }

      const named = unique(here.map(({ transport }) => transport)).filter((transport) => transport !== 'auto');
      if (named.length > 0) {
        tables.push({
          title: `Each transport by name: ${title}`,
          head: ['network', 'server', ...named],
          rows: inOrder.flatMap((setup) => servers
            .filter((server) => named.some((transport) => find(setup, server, transport)))
            .map((server) => [
              setup,
              server,
              ...named.map((transport) => {
                const verdict = find(setup, server, transport)?.verdicts[0];
                return verdict ? brief(verdict, { named: false }) : '';
              }),
            ])),
        });
      }
    }
  }
  return tables;
}

/** Rows of texts, in columns. */
export function columns(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((text, column) => text.padEnd(widths[column])).join('  ').trimEnd()).join('\n');
}

/** For a terminal. */
export function plainTables(cells, setups) {
  return tablesOf(cells, setups)
    .map(({ title, head, rows }) => `${title}\n${columns([head, ...rows])}`)
    .join('\n\n');
}

const markdownTable = ([head, ...rows]) => [head, head.map(() => '---'), ...rows]
  .map((row) => `| ${row.join(' | ')} |`)
  .join('\n');

const BAD = /^(NO|DIES|STALL|CORRUPT|SLOW|cut|SCRIPT|ERROR)/;

/** The generated part of docs/networks.md. `versions` is `{ what: version }`, `machine` a text. */
export function markdown({ date, machine, versions, cells }, setups) {
  const tables = tablesOf(cells, setups, versions);
  const auto = cells.filter(({ transport }) => transport === 'auto');
  const score = unique(auto.map(({ server }) => server)).sort().map((server) => {
    const verdicts = auto.filter((cell) => cell.server === server).flatMap((cell) => cell.verdicts);
    return `${server}: ${verdicts.filter(({ ok }) => ok).length} of ${verdicts.length} contacts`;
  });
  return [
    `Measured ${date} on ${machine}, with ${Object.values(versions).join(', ')}.`,
    ...(score.length > 0 ? [`Contacts of a stock application that were \`ok\`: ${score.join('; ')}.`] : []),
    ...tables.flatMap(({ title, head, rows }) => [
      `### ${title}`,
      markdownTable([head, ...rows.map(([name, ...texts]) => [
        `\`${name}\``,
        // What failed is what a reader looks for.
        ...texts.map((text) => (BAD.test(text) ? `**${text}**` : text)),
      ])]),
    ]),
  ].join('\n\n');
}

/** The table of networks for docs/networks.md. */
export const markdownSetups = (setups) => markdownTable([
  ['network', 'what it is'],
  ...setups.map(({ name, about }) => [`\`${name}\``, about]),
]);

/** `text` with what stands between the markers `<!-- begin NAME -->` and `<!-- end NAME -->` replaced. */
export function replaceBetween(text, name, part) {
  const begin = `<!-- begin ${name} -->\n`;
  const end = `<!-- end ${name} -->`;
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`there are no lines "${begin.trim()}" and "${end}" to write between`);
  return `${text.slice(0, from + begin.length)}\n${part}\n\n${text.slice(to)}`;
}
