/*
 * Starts a browser with a new profile, sent through a proxy if need be, and gives pages that record what they request.
 * puppeteer-core drives Chromium over CDP and Firefox over WebDriver BiDi with one interface. Downloads nothing: the
 * browsers are the system's. The network tests use this file too.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import puppeteer from 'puppeteer-core';

// For one page action. A transport has 10 s to open in the pages, so this only ends a hung browser.
const TIMEOUT = 30_000;

const KNOWN = {
  chromium: {
    variable: 'CHROMIUM',
    names: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
    options: ({ proxy }) => ({
      browser: 'chrome',
      args: [
        // The sandbox cannot start for root, which is what containers run tests as.
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
        '--disable-background-networking', '--disable-component-update', '--disable-sync',
        // A test starts connections in pages that are never in front.
        '--disable-background-timer-throttling', '--disable-renderer-backgrounding',
        '--disable-backgrounding-occluded-windows',
        // What is on loopback goes past proxies otherwise.
        ...(proxy ? [`--proxy-server=http://${proxy}`, '--proxy-bypass-list=<-loopback>'] : ['--no-proxy-server']),
      ],
    }),
  },
  firefox: {
    variable: 'FIREFOX',
    names: ['firefox-esr', 'firefox'],
    options: ({ proxy, preferences }) => ({
      browser: 'firefox',
      // Everything that Firefox would fetch by itself: updates, settings, portal detection, safe
      // browsing, add-ons, telemetry, and guesses at what a user will open next.
      extraPrefsFirefox: {
        'app.normandy.enabled': false,
        'app.update.auto': false,
        'app.update.enabled': false,
        'browser.newtabpage.activity-stream.feeds.system.topstories': false,
        'browser.region.network.url': '',
        'browser.region.update.enabled': false,
        'browser.safebrowsing.downloads.remote.enabled': false,
        'browser.safebrowsing.malware.enabled': false,
        'browser.safebrowsing.phishing.enabled': false,
        'browser.search.update': false,
        'captivedetect.canonicalURL': '',
        'datareporting.policy.dataSubmissionEnabled': false,
        'dom.push.connection.enabled': false,
        'extensions.blocklist.enabled': false,
        'extensions.getAddons.cache.enabled': false,
        'extensions.systemAddon.update.enabled': false,
        'extensions.update.enabled': false,
        'geo.enabled': false,
        'media.gmp-manager.updateEnabled': false,
        'network.captive-portal-service.enabled': false,
        'network.connectivity-service.enabled': false,
        'network.dns.disablePrefetch': true,
        'network.prefetch-next': false,
        'network.predictor.enabled': false,
        'network.trr.mode': 5,
        'security.OCSP.enabled': 0,
        'services.settings.server': 'http://127.0.0.1:9/',
        'signon.management.page.breach-alerts.enabled': false,
        'toolkit.telemetry.enabled': false,
        'toolkit.telemetry.unified': false,
        // The pages under test are in background tabs, whose timers would run once a second.
        'dom.min_background_timeout_value': 4,
        'dom.timeout.enable_budget_timer_throttling': false,
        ...proxyPreferences(proxy),
        ...preferences,
      },
    }),
  },
};

function proxyPreferences(proxy) {
  if (!proxy) return { 'network.proxy.type': 0 };
  const [host, port] = proxy.split(':');
  return {
    'network.proxy.type': 1,
    'network.proxy.http': host,
    'network.proxy.http_port': Number(port),
    'network.proxy.ssl': host,
    'network.proxy.ssl_port': Number(port),
    'network.proxy.no_proxies_on': '',
    'network.proxy.allow_hijacking_localhost': true,
  };
}

/** The browsers that can be started. */
export const KNOWN_BROWSERS = Object.keys(KNOWN);

/** The browsers to test with: `BROWSERS=chromium` or `BROWSERS=chromium,firefox`, by default both. */
export const BROWSERS = (process.env.BROWSERS ?? KNOWN_BROWSERS.join(','))
  .split(',')
  .map((name) => name.trim())
  .filter(Boolean);

for (const name of BROWSERS) {
  if (!KNOWN_BROWSERS.includes(name)) {
    throw new Error(`BROWSERS names ${name}; known are ${KNOWN_BROWSERS.join(' and ')}`);
  }
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path of the browser; throws when it is not installed. */
export function findBrowser(browser) {
  const { variable, names } = KNOWN[browser];
  if (process.env[variable]) return process.env[variable];
  for (const name of names) {
    const path = process.env.PATH.split(delimiter).map((folder) => join(folder, name)).find(isExecutable);
    if (path) return path;
  }
  throw new Error(`${browser} is not installed: none of ${names.join(', ')} is on PATH. Install it, `
    + `set ${variable} to its path, or select the browsers to test with, for example BROWSERS=chromium.`);
}

/**
 * A running browser.
 *
 * - `proxy`: the `host:port` that everything goes through; by default nothing does. Certificates of unknown authorities are
 *   accepted: that of a proxy here is its own.
 * - `timeout`: milliseconds that one page action may take
 * - `preferences`: more of Firefox's
 *
 * `close()` ends it; a browser that does not exit by itself is killed by its handle.
 */
export async function startBrowser(name, { proxy, timeout = TIMEOUT, preferences } = {}) {
  const browser = await puppeteer.launch({
    executablePath: findBrowser(name),
    headless: true,
    acceptInsecureCerts: true,
    protocolTimeout: timeout,
    ...KNOWN[name].options({ proxy, preferences }),
  });
  const hosts = new Set();
  return {
    version: await browser.version(),

    /** The hosts that pages of this browser have sent requests to, `data:` and `about:` left out. */
    hosts,

    async newPage({ width = 1280, height = 900, phone = false, dark = false } = {}) {
      const page = await browser.newPage();
      page.setDefaultTimeout(timeout);
      const record = (url) => {
        const { protocol, hostname } = new URL(url);
        if (/^(http|ws)s?:$/.test(protocol)) hosts.add(hostname);
      };
      page.on('request', (request) => record(request.url()));
      if (name === 'chromium') {
        // WebSockets are not among the request events of CDP.
        const network = await page.createCDPSession();
        await network.send('Network.enable');
        network.on('Network.webSocketCreated', (event) => record(event.url));
        await page.emulateMediaFeatures([
          { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
        ]);
      }
      await page.setViewport({
        width,
        height,
        deviceScaleFactor: phone ? 2 : 1,
        ...(name === 'chromium' && { isMobile: phone, hasTouch: phone }),
      });
      return page;
    },

    async close() {
      const browserProcess = browser.process();
      const timer = setTimeout(() => browserProcess?.kill('SIGKILL'), 10_000);
      await browser.close();
      clearTimeout(timer);
    },
  };
}
