#!/usr/bin/env node
/*
 * The command: tries networks × servers × transports in real browsers, and prints what became of each.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { SERVERS } from './servers/index.js';
import { SETUPS } from './setups/index.js';
import { BROWSERS, findBrowser } from './support/browser.js';
import { runContacts, Slots } from './support/contacts.js';
import { isGoodEnough } from './support/expectations.js';
import { tracePage } from './support/trace.js';

const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'iframe-eventsource', 'htmlfile', 'iframe-htmlfile',
  'xhr-polling', 'iframe-xhr-polling', 'jsonp-polling'];

// Milliseconds that a transport asked for by name has to open, so that a busy machine makes no NO.
const FORCED_TIMEOUT = 3_000;

const USAGE = `Usage: node matrix.js [OPTIONS]

Opens stock sockjs-client in browsers, through every network, and prints how each connection fared.

  --server NAME        gateway (default), sockjs-node or both
  --setups A,B         networks; by default all. --list names them
  --transports A,B     auto (default): what works, as in a stock application. Or sockjs-client's names, or forced for
                       all of those
  --browser A,B        chromium (default), firefox
  --origin A,B         same (default): the page comes from the server. cross: from another origin
  --runs N             contacts of auto with the same server, one after another (default 3). Transports asked for by
                       name have one, with a server of its own
  --parallel N         cells that are busy at a time (default 2); those that wait in silence do not count
  --json FILE          write all that was measured
  --logs FOLDER        leave there what servers and proxies wrote
  --trace              print what the pages do on the network (Chromium)
  --list               print the networks, and leave

GATEWAY=PATH is the gateway to try, by default target/debug/sockjs-gateway. CHROMIUM and FIREFOX are paths of browsers
that are not on PATH.

Exit codes: 0 all that must work does, 1 something that must work does not, 64 wrong arguments.
`;

class UsageError extends Error {}

/** The names in a list with commas, each of which must be known. */
function namesIn(list, known, what) {
  const names = list.split(',').map((name) => name.trim()).filter(Boolean);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined || names.length === 0) {
    throw new UsageError(`there is no ${what} "${unknown ?? list}"; known are ${known.join(', ')}`);
  }
  return names;
}

function countIn(text, option) {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new UsageError(`--${option} wants a whole number above 0, not "${text}"`);
  return count;
}

function parse() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        server: { type: 'string', default: 'gateway' },
        setups: { type: 'string' },
        transports: { type: 'string', default: 'auto' },
        browser: { type: 'string', default: 'chromium' },
        origin: { type: 'string', default: 'same' },
        runs: { type: 'string', default: '3' },
        parallel: { type: 'string', default: '2' },
        json: { type: 'string' },
        logs: { type: 'string' },
        trace: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  const setupNames = SETUPS.map(({ name }) => name);
  const wanted = values.setups === undefined ? setupNames : namesIn(values.setups, setupNames, 'setup');
  return {
    ...values,
    servers: values.server === 'both'
      ? Object.keys(SERVERS)
      : namesIn(values.server, Object.keys(SERVERS), 'server'),
    setups: SETUPS.filter(({ name }) => wanted.includes(name)),
    transports: namesIn(values.transports, ['auto', 'forced', ...TRANSPORTS], 'transport')
      .flatMap((name) => (name === 'forced' ? TRANSPORTS : [name])),
    browsers: namesIn(values.browser, BROWSERS, 'browser'),
    origins: namesIn(values.origin, ['same', 'cross'], 'origin'),
    runs: countIn(values.runs, 'runs'),
    parallel: countIn(values.parallel, 'parallel'),
  };
}

/** Every cell of the matrix that was asked for, those of one network together. */
function cellsOf({ setups, browsers, origins, servers, transports, runs }) {
  const cells = setups.flatMap((setup) => browsers.flatMap((browser) => origins.flatMap((origin) => (
    servers.flatMap((server) => transports.map((transport) => ({
      setup,
      browser,
      origin,
      server,
      transport,
      contacts: transport === 'auto'
        ? Array(runs).fill({})
        : [{ transports: [transport], timeout: FORCED_TIMEOUT }],
    })))
  ))));
  // sockjs-client has htmlfile for pages of the server's own origin only.
  return cells.filter(({ origin, transport }) => origin === 'same' || transport !== 'htmlfile');
}

async function runCell(cell, { slots, logs, trace }) {
  const { setup, browser, origin, server, transport, contacts } = cell;
  const label = [setup.name, server, browser, origin, transport].join('.');
  const traces = [];
  const { verdicts, browserVersion } = await runContacts({
    setup, server, browser, origin, contacts, slots, logs, label,
    async observe(page, contact) {
      if (!trace || browser !== 'chromium') return;
      traces[contact] = [];
      await tracePage(page, (line) => traces[contact].push(line));
    },
  });
  return { ...cell, verdicts, browserVersion, traces };
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((text, column) => text.padEnd(widths[column])).join('  ').trimEnd()).join('\n');
}

async function main() {
  const options = parse();
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  if (options.list) {
    console.log(table(options.setups.map(({ name, about }) => [name, about])));
    return 0;
  }
  options.browsers.forEach(findBrowser);

  const slots = new Slots(options.parallel);
  const results = [];
  let bad = 0;
  // Started in order; all but the busy ones are cheap.
  const waiting = new Slots(options.parallel * 3);
  await Promise.all(cellsOf(options).map(async (cell) => {
    const release = await waiting.take();
    try {
      const result = await runCell(cell, { ...options, slots });
      const misses = result.verdicts.filter((verdict, contact) => !isGoodEnough(verdict, { ...cell, contact }));
      bad += misses.length;
      results.push(result);
      const { setup, server, browser, origin, transport } = cell;
      const name = `${setup.name} ${server} ${browser} ${origin} ${transport}`;
      console.log(`${misses.length > 0 ? '!' : ' '} ${name}: ${result.verdicts.map(({ text }) => text).join(' | ')}`);
      result.traces.forEach((lines, contact) => console.log(`  contact ${contact + 1}\n${lines.join('\n')}`));
    } finally {
      release();
    }
  }));
  if (options.json) await writeFile(options.json, JSON.stringify(results, null, 1));
  if (bad > 0) console.error(`matrix: ${bad} contacts that must work did not, marked with "!"`);
  return bad > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`matrix: ${error instanceof UsageError ? error.message : error.stack}`);
  process.exitCode = error instanceof UsageError ? 64 : 1;
}
