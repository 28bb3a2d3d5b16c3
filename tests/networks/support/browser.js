/*
 * Starts a browser with a new profile, sent through a proxy if need be. puppeteer-core drives Chromium over CDP and
 * Firefox over WebDriver BiDi with one interface. Downloads nothing: the browsers are the system's.
 */
import puppeteer from 'puppeteer-core';
import { findProgram } from './program.js';

// For one page action. The longest that a page is asked to do has limits of its own, which end before.
const TIMEOUT = 150_000;

const KNOWN = {
  chromium: {
    variable: 'CHROMIUM',
    programs: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
    options: ({ proxy }) => ({
      browser: 'chrome',
      args: [
        // The sandbox cannot start for root, which is what containers run tests as.
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--disable-background-timer-throttling',
        '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows',
        // What is on loopback goes past proxies otherwise.
        ...(proxy ? [`--proxy-server=http://${proxy}`, '--proxy-bypass-list=<-loopback>'] : ['--no-proxy-server']),
      ],
    }),
  },
  firefox: {
    variable: 'FIREFOX',
    programs: ['firefox-esr', 'firefox'],
    options: ({ proxy }) => ({
      browser: 'firefox',
      extraPrefsFirefox: {
        // Everything that Firefox would fetch by itself.
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
        // A page counts as in the background, where timers run once a second.
        'dom.min_background_timeout_value': 4,
        'dom.timeout.enable_budget_timer_throttling': false,
        'network.proxy.type': 0,
        ...(proxy && {
          'network.proxy.type': 1,
          'network.proxy.http': proxy.split(':')[0],
          'network.proxy.http_port': Number(proxy.split(':')[1]),
          'network.proxy.ssl': proxy.split(':')[0],
          'network.proxy.ssl_port': Number(proxy.split(':')[1]),
          'network.proxy.no_proxies_on': '',
          'network.proxy.allow_hijacking_localhost': true,
        }),
      },
    }),
  },
};

export const BROWSERS = Object.keys(KNOWN);

/** Rejects names that are no browser's. */
export function findBrowser(name) {
  const known = KNOWN[name];
  if (!known) throw new Error(`there is no browser "${name}"; known are ${BROWSERS.join(' and ')}`);
  const path = process.env[known.variable] || findProgram(...known.programs);
  if (!path) {
    throw new Error(`${name} is not installed: none of ${known.programs.join(', ')} is on PATH. Install it, or set `
      + `${known.variable} to its path.`);
  }
  return path;
}

/**
 * Resolves to `{ version, newPage(), close() }`. `proxy` is the `host:port` that everything goes through. Certificates of
 * unknown authorities are accepted: that of a proxy here is its own.
 */
export async function startBrowser(name, { proxy } = {}) {
  const browser = await puppeteer.launch({
    executablePath: findBrowser(name),
    headless: true,
    acceptInsecureCerts: true,
    protocolTimeout: TIMEOUT,
    ...KNOWN[name].options({ proxy }),
  });
  return {
    version: await browser.version(),
    async newPage() {
      const page = await browser.newPage();
      page.setDefaultTimeout(TIMEOUT);
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
