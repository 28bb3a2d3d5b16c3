#!/usr/bin/env node
/*
 * The command: tries networks × servers × transports in real browsers, and prints what became of each.
 */
import { writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { SERVERS } from './servers/index.js';
import { SETUPS } from './setups/index.js';
import { findBrowser, KNOWN_BROWSERS } from '../browsers/support/browser.js';
import { runContacts, Slots } from './support/contacts.js';
import { isGoodEnough } from './support/expectations.js';
import { findProgram } from './support/program.js';
import { columns, markdown, markdownSetups, plainTables, replaceBetween } from './support/report.js';
import { tracePage } from './support/trace.js';
import { findVersions, machine } from './support/versions.js';

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
  --from A,B           take files written with --json instead of measuring
  --markdown FILE      write the tables into FILE, between its markers, as in docs/networks.md
  --logs FOLDER        leave there what servers and proxies wrote
  --trace              print what the pages do on the network (Chromium)
  --full               all that docs/networks.md shows, but for what the options above leave out: both servers and
                       browsers, every transport; from another origin auto in Chromium only
  --list               print the networks, and leave

GATEWAY=PATH is the gateway to try, by default target/debug/sockjs-gateway. CHROMIUM and FIREFOX are paths of browsers
that are not on PATH.

Exit codes: 0 all that must work does, 1 something that must work does not, 64 wrong arguments.
`;

const DEFAULTS = {
  server: 'gateway', transports: 'auto', browser: 'chromium', origin: 'same', runs: '3', parallel: '2',
};
const FULL = { server: 'both', transports: 'auto,forced', browser: KNOWN_BROWSERS.join(','), origin: 'same,cross' };

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
        server: { type: 'string' },
        setups: { type: 'string' },
        transports: { type: 'string' },
        browser: { type: 'string' },
        origin: { type: 'string' },
        runs: { type: 'string' },
        parallel: { type: 'string' },
        json: { type: 'string' },
        from: { type: 'string' },
        markdown: { type: 'string' },
        logs: { type: 'string' },
        trace: { type: 'boolean' },
        full: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  if (values.from && values.json) throw new UsageError('--json is for what is measured, --from for what was');
  values = { ...DEFAULTS, ...(values.full && FULL), ...values };
  const setupNames = SETUPS.map(({ name }) => name);
  const wanted = values.setups === undefined ? setupNames : namesIn(values.setups, setupNames, 'setup');
  return {
    ...values,
    servers: values.server === 'both'
      ? Object.keys(SERVERS)
      : namesIn(values.server, Object.keys(SERVERS), 'server'),
    setups: SETUPS.filter(({ name }) => wanted.includes(name)),
    setupsWereNamed: values.setups !== undefined,
    transports: namesIn(values.transports, ['auto', 'forced', ...TRANSPORTS], 'transport')
      .flatMap((name) => (name === 'forced' ? TRANSPORTS : [name])),
    browsers: namesIn(values.browser, KNOWN_BROWSERS, 'browser'),
    origins: namesIn(values.origin, ['same', 'cross'], 'origin'),
    runs: countIn(values.runs, 'runs'),
    parallel: countIn(values.parallel, 'parallel'),
  };
}

/** Every cell of the matrix that was asked for, those of one network together. */
function cellsOf({ setups, browsers, origins, servers, transports, runs, full }) {
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
  // sockjs-client has htmlfile for pages of the server's own origin only, and Firefox refuses the scripts of that
  // transport their parent, unless the application sets document.domain.
  const possible = cells.filter(({ browser, origin, transport }) => (
    transport !== 'htmlfile' || (origin === 'same' && browser !== 'firefox')
  ));
  if (!full) return possible;
  // Another origin makes no difference to what is on the way, nor does the browser to most of it.
  return possible.filter(({ browser, origin, transport }) => (
    origin === 'same' || (browser === 'chromium' && transport === 'auto')
  ));
}

/** Leaves out what cannot run here, unless it was asked for by name. */
function installedOnly(setups, wereNamed) {
  const isMissing = ({ needs }) => needs && !findProgram(...needs);
  const missing = setups.filter(isMissing);
  if (missing.length === 0) return setups;
  const programs = [...new Set(missing.map(({ needs }) => needs[0]))].join(', ');
  const names = missing.map(({ name }) => name).join(', ');
  if (wereNamed) throw new UsageError(`${names}: install ${programs} first`);
  console.error(`matrix: without ${names}, since ${programs} is not installed`);
  return setups.filter((setup) => !isMissing(setup));
}

/** Measures a cell. What goes wrong in here is its verdict, so that it does not cost the other cells. */
async function measure({ setup, browser, origin, server, transport, contacts }, { slots, logs, trace }) {
  const cell = { setup: setup.name, browser, origin, server, transport };
  const traces = [];
  try {
    const { verdicts, browserVersion } = await runContacts({
      setup, server, browser, origin, contacts, slots, logs, label: Object.values(cell).join('.'),
      async observe(page, contact) {
        if (!trace || browser !== 'chromium') return;
        traces[contact] = [];
        await tracePage(page, (line) => traces[contact].push(line));
      },
    });
    return { cell: { ...cell, verdicts }, browserVersion, traces };
  } catch (error) {
    return { cell: { ...cell, verdicts: [{ kind: 'ERROR', text: `ERROR ${error.message}`, ok: false }] }, traces };
  }
}

/** Measures every cell, printing each. Resolves to what `--json` writes, even should it be ended before. */
async function run(options) {
  const measured = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    versions: await findVersions(options.servers),
    cells: [],
  };
  const { versions, cells } = measured;
  if (options.json) process.on('exit', () => writeFileSync(options.json, `${JSON.stringify(measured, null, 1)}\n`));
  const slots = new Slots(options.parallel);
  const waiting = cellsOf(options);
  if (waiting.length === 0) throw new UsageError('htmlfile works for pages of the same origin only, and not in Firefox');
  async function measureWaiting() {
    while (waiting.length > 0) {
      const { cell, browserVersion, traces } = await measure(waiting.shift(), { ...options, slots });
      if (browserVersion) versions[cell.browser] = browserVersion.replace('/', ' ');
      cells.push(cell);
      const { verdicts, ...names } = cell;
      const mark = missesOf(cell) > 0 ? '!' : ' ';
      console.log(`${mark} ${Object.values(names).join(' ')}: ${verdicts.map(({ text }) => text).join(' | ')}`);
      traces.forEach((lines, contact) => console.log(`  contact ${contact + 1}\n${lines.join('\n')}`));
    }
  }
  // Cells that rest cost little, but a browser each.
  await Promise.all(Array.from({ length: options.parallel * 6 }, measureWaiting));
  return measured;
}

/** How many contacts of a cell that must work do not. */
const missesOf = ({ verdicts, ...cell }) => {
  const setup = SETUPS.find(({ name }) => name === cell.setup);
  return verdicts.filter((verdict, contact) => !isGoodEnough(verdict, { ...cell, setup, contact })).length;
};

/** What was measured earlier, as one; of a cell that is in several files, the last one counts. */
async function readMeasured(paths) {
  const runs = await Promise.all(paths.map(async (path) => JSON.parse(await readFile(path, 'utf8'))));
  const cells = new Map(runs.flatMap((one) => one.cells).map(({ verdicts, ...names }) => (
    [JSON.stringify(names), { ...names, verdicts }]
  )));
  return {
    ...runs.at(-1),
    versions: Object.assign({}, ...runs.map(({ versions }) => versions)),
    cells: [...cells.values()],
  };
}

async function main() {
  const options = parse();
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  if (options.list) {
    console.log(columns(options.setups.map(({ name, about }) => [name, about])));
    return 0;
  }
  let measured;
  if (options.from) {
    measured = await readMeasured(options.from.split(','));
  } else {
    options.browsers.forEach(findBrowser);
    options.setups = installedOnly(options.setups, options.setupsWereNamed);
    measured = await run(options);
  }
  console.log(`\n${plainTables(measured.cells, SETUPS)}`);
  if (options.markdown) {
    const text = await readFile(options.markdown, 'utf8');
    const withSetups = replaceBetween(text, 'networks', markdownSetups(SETUPS));
    await writeFile(options.markdown, replaceBetween(withSetups, 'matrix', markdown(measured, SETUPS)));
  }
  const misses = measured.cells.reduce((sum, cell) => sum + missesOf(cell), 0);
  if (misses > 0) console.error(`matrix: ${misses} contacts that must work did not`);
  return misses > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  // What is not the arguments' fault, nor a missing file's, is ours.
  const isUnderstood = error instanceof UsageError || error.code === 'ENOENT';
  console.error(`matrix: ${isUnderstood ? error.message : error.stack}`);
  process.exitCode = error instanceof UsageError ? 64 : 1;
}
