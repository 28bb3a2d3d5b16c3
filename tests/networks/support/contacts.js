/*
 * Contacts of one user with one server through one network, one after another, so that what the server learns from the
 * first is seen in the later ones.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { startBrowser } from '../../browsers/support/browser.js';
import { startStack } from './stack.js';
import { SLOW, verdictOf } from './verdict.js';
import { startWebsite } from './website.js';

const { resolve } = createRequire(import.meta.url);

export const CLIENT = { path: resolve('sockjs-client/dist/sockjs.min.js'), version: '1.6.1' };
const SCRIPTS = await Promise.all(
  [CLIENT.path, new URL('../page/contact.js', import.meta.url)].map((path) => readFile(path, 'utf8')),
);

const LIMITS = {
  // The client gives up by itself before; its longest chain of attempts was seen to take 16 s.
  openLimit: 25_000,
  // Longer than the 25 s after which a heartbeat pushes out what a proxy held back.
  echoLimit: 30_000,
  // After the silence, when nothing is on its way any more.
  lastEchoLimit: 10_000,
  markupLimit: 3_000,
  closeLimit: 5_000,
};

// For one page action. The longest that a page is asked to do has limits of its own, which end before.
const PAGE_TIMEOUT = 150_000;

/** Longer than the 3 to 6 s after which proxies here lose patience. */
const QUIET = 8_000;

/** Whether a message ran as a script, in the page or in an iframe that brings messages. */
async function isScripted(page) {
  for (const frame of page.frames()) {
    try {
      if (await frame.evaluate(() => 'pwned' in window)) return true;
    } catch (error) {
      // jsonp-polling sends through iframes that it removes again.
      if (page.frames().includes(frame)) throw error;
    }
  }
  return false;
}

/**
 * Has `contacts` one after another, and resolves to `{ verdicts, browserVersion }`, a verdict (verdict.js) of each with
 * its facts. All take the user's way: a page, sockjs-client, a URL.
 *
 * - `origin`: `same` opens the page that the server itself answers at its prefix, `cross` that of another website
 * - `contacts`: for each the options it gives to sockjs-client: `transports`, names to choose from, and `timeout`,
 *   milliseconds that each transport has at least to open. A stock application gives none.
 * - `slots`: a `Slots` that the busy part takes one of
 * - `observe(page, index)` sees each page before it is used
 */
export async function runContacts({
  setup, server, browser: browserName, origin = 'same', contacts, slots, logs, label, observe = async () => {},
}) {
  const opened = [];
  const open = async (starting) => {
    const resource = await starting;
    opened.push(resource);
    return resource;
  };
  let release = await slots?.take();
  try {
    const stack = await open(startStack(setup, server, { logs, label }));
    const website = origin === 'cross' && await open(startWebsite());
    const browser = await open(startBrowser(browserName, {
      proxy: stack.browserProxy, timeout: PAGE_TIMEOUT,
    }));
    const url = `${stack.baseUrl}/echo`;
    const verdicts = [];
    for (const [index, options] of contacts.entries()) {
      release ??= await slots?.take();
      const page = await browser.newPage();
      await observe(page, index);
      await page.goto(website ? website.url : url);
      for (const content of SCRIPTS) await page.addScriptTag({ content });
      const talk = await page.evaluate((given) => window.contact.talk(given), {
        url, options, openLimit: LIMITS.openLimit, echoLimit: LIMITS.echoLimit, slowLimit: SLOW,
      });
      release?.();
      release = undefined;
      const isTalking = talk.opened && !talk.closed && talk.roundTrips.length > 0 && !talk.lost;
      const rest = isTalking && await page.evaluate((given) => window.contact.rest(given), {
        quiet: QUIET,
        echoLimit: LIMITS.lastEchoLimit,
        markupLimit: LIMITS.markupLimit + 4 * Math.max(...talk.roundTrips),
      });
      if (rest?.markup) rest.scripted = await isScripted(page);
      await page.evaluate((given) => window.contact.leave(given), { closeLimit: LIMITS.closeLimit });
      verdicts.push({ ...verdictOf({ talk, rest }), facts: { talk, rest } });
      await page.close();
    }
    return { verdicts, browserVersion: browser.version };
  } finally {
    for (const resource of opened.reverse()) await (resource.close ?? resource.stop)();
    release?.();
  }
}

// Who takes longer, waits.
const BUSY = 5_000;

/** So many may be busy at a time; the others wait in order. Nobody counts as busy for longer than BUSY. */
export class Slots {
  #free;
  #waiting = [];

  constructor(count) {
    this.#free = count;
  }

  /** Resolves to the function that gives the slot back. */
  async take() {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise((resolve) => { this.#waiting.push(resolve); });
    let isTaken = true;
    const release = () => {
      if (!isTaken) return;
      isTaken = false;
      clearTimeout(timer);
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    };
    const timer = setTimeout(release, BUSY);
    return release;
  }
}
