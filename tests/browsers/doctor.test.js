/*
 * The doctor's page: what it says about a good network, and about networks that are hostile in known
 * ways. The waiting of its idle test is skipped.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { BROWSERS, startBrowser } from './support/browser.js';
import { assertFits, click, finish, isDone, openDoctor, shownBy, textOf } from './support/doctor_page.js';
import { startGateway } from './support/gateway.js';
import { startHostileProxy } from './support/hostile_proxy.js';

const { SCREENSHOTS } = process.env;

const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'htmlfile', 'xhr-polling', 'jsonp-polling'];
const STREAMING = ['xhr-streaming', 'eventsource', 'htmlfile'];

/**
 * What each network does, which problems the verdict must name, which transports must fail (all others
 * work), and which is the best. `waits`: the idle test ends by itself, since everything is lost.
 */
const NETWORKS = {
  'takes the Upgrade field away': {
    proxy: { stripUpgrade: true },
    findings: ['websocket-stripped'],
    failing: ['websocket'],
    best: 'xhr-streaming',
  },
  'keeps responses back until they are complete': {
    proxy: { bufferResponses: true },
    findings: ['stream-held-until-end'],
    failing: STREAMING,
    best: 'websocket',
  },
  'does both': {
    proxy: { stripUpgrade: true, bufferResponses: true },
    findings: ['websocket-stripped', 'stream-held-until-end'],
    failing: ['websocket', ...STREAMING],
    best: 'xhr-polling',
    view: { phone: true, width: 360, height: 740 },
    alsoInFirefox: true,
  },
  'cuts what is silent for 3 s': {
    proxy: { idleLimit: 3000 },
    findings: ['idle-cut'],
    failing: [],
    best: 'websocket',
    view: { dark: true },
    waits: true,
  },
  'refuses large requests': {
    proxy: { largestBody: 100_000 },
    findings: ['upload-limited'],
    failing: [],
    best: 'websocket',
  },
};

for (const browserName of BROWSERS) {
  describe(browserName, { timeout: 600_000 }, () => {
    let gateway;
    let browser;
    const proxies = [];

    before(async () => {
      gateway = await startGateway();
      browser = await startBrowser(browserName);
      if (SCREENSHOTS) await mkdir(SCREENSHOTS, { recursive: true });
    });

    after(async () => {
      await browser?.close();
      for (const proxy of proxies) await proxy.stop();
      await gateway?.stop();
    });

    async function through(options) {
      const proxy = await startHostileProxy(gateway.url, options);
      proxies.push(proxy);
      return proxy.url;
    }

    const open = (address, view) => openDoctor(browser, address, view);

    async function picture(page, name) {
      if (!SCREENSHOTS) return;
      await page.screenshot({ path: join(SCREENSHOTS, `doctor-${browserName}-${name}.png`), fullPage: true });
    }

    async function check(address, { view, waits, name }) {
      const page = await open(address, view);
      await click(page, '#start');
      const shown = await finish(page, { skipAfter: waits ? Infinity : 0 });
      await picture(page, name);
      return { page, shown };
    }

    it('says that everything works where nothing is in the way, and keeps the result', async () => {
      const { page, shown } = await check(`${gateway.url}/echo/doctor`, { name: 'direct' });
      assert.deepEqual(shown.failing, []);
      assert.deepEqual(shown.problems, []);
      assert.equal(shown.mood, 'good');
      assert.ok(shown.findings.includes('all-good'), `found ${shown.findings}`);
      assert.match(shown.figures, /websocket/);

      await click(page, '[data-action="copy"]');
      await page.waitForFunction(() => window.copied);
      const copied = await page.evaluate(() => window.copied);
      const { report, verdict, seen } = JSON.parse(copied.slice(copied.indexOf('\n{') + 1));
      assert.equal(verdict.summary, shown.summary);
      assert.deepEqual(report.transports.map(({ name }) => name), TRANSPORTS);
      assert.deepEqual(report.cookies, { first_party: true, iframe: true });
      assert.deepEqual(report.upload.map(({ bytes }) => bytes), [4096, 65536, 524288]);
      assert.deepEqual(report.upload.map(({ ok }) => ok), [true, true, true]);
      assert.deepEqual(report.download.map(({ ok }) => ok), [true, true, true]);
      assert.ok(seen.requests.some(({ transport }) => transport === 'websocket'));

      const code = await textOf(page, '#code');
      assert.match(code, /^[0-9A-Z]{4}-[0-9A-Z]{4}$/);
      await page.close();

      // As somebody would write it down who heard it on the phone.
      const views = browserName === 'chromium' ? { phone: true, width: 360, height: 740, dark: true } : {};
      const kept = await open(`${gateway.url}/echo/doctor?result=${code.toLowerCase()}`, views);
      await isDone(kept);
      const again = await shownBy(kept);
      assert.equal(again.summary, shown.summary);
      assert.deepEqual(again.findings, shown.findings);
      assert.ok((await textOf(kept, '#kept')).includes(code));
      await assertFits(kept);
      await picture(kept, 'kept');
      await kept.close();
    });

    it('says so when there is no result with a code', async () => {
      const page = await open(`${gateway.url}/echo/doctor`);
      await page.$eval('#lookup-code', (input) => { input.value = '<b>zzzz-zzzz'; });
      await click(page, '#lookup button');
      await page.waitForFunction(() => !document.querySelector('#lookup-problem').hidden);
      assert.match(await textOf(page, '#lookup-problem'), /no result with the code <B>ZZZZ-ZZZZ/);
      assert.equal(await page.$('#lookup-problem b'), null);
      await page.close();
    });

    for (const [name, network] of Object.entries(NETWORKS)) {
      if (browserName === 'firefox' && !network.alsoInFirefox) continue;
      it(`names the cause when the network ${name}`, async () => {
        const { page, shown } = await check(`${await through(network.proxy)}/echo/doctor`, {
          view: network.view, waits: network.waits, name: name.replaceAll(' ', '-'),
        });
        assert.deepEqual(shown.failing, network.failing);
        for (const id of network.findings) {
          assert.ok(shown.problems.includes(id), `${id} is not among the problems: ${shown.problems}`);
        }
        assert.equal(shown.mood, 'problem');
        assert.ok(shown.figures.includes(network.best), `the best is not ${network.best}: ${shown.figures}`);
        await page.close();
      });
    }

    it('shows what it measured when the server cannot be asked for the verdict', async () => {
      const address = await through({
        refuse: ({ method, url }) => (method === 'POST' && url.endsWith('/doctor/verdict') ? 502 : undefined),
      });
      // Begins by itself.
      const page = await open(`${address}/echo/doctor?start`);
      const shown = await finish(page);
      assert.equal(shown.mood, 'unknown');
      assert.equal(
        shown.summary,
        '6 of 6 ways to connect work from here. But the server could not judge the results.',
      );
      assert.match(await textOf(page, '#verdict-notice'), /status 502/);
      assert.match(shown.report, /could not judge/);
      await page.close();
    });

    const NOTHING_BUT_THE_PAGE = {
      refuse: ({ url }) => (/\/doctor\/(sockjs\/|stream|seen|cookie|verdict$)/.test(url) ? 503 : undefined),
      stripUpgrade: true,
    };

    it('says that figures may be wrong when the page was in the background', async () => {
      const page = await open(`${await through(NOTHING_BUT_THE_PAGE)}/echo/doctor`);
      await page.evaluate(() => {
        document.querySelector('#start').click();
        Object.defineProperty(document, 'hidden', { value: true });
        document.dispatchEvent(new Event('visibilitychange'));
      });
      assert.equal(await page.$eval('#hidden-notice', (notice) => notice.hidden), false);
      const { report } = await finish(page);
      assert.match(await textOf(page, '#verdict-notice'), /in the background/);
      assert.match(report, /"background":true/);
      await page.close();
    });

    it('goes on when nothing can be reached any more', async () => {
      const address = await through(NOTHING_BUT_THE_PAGE);
      const { page, shown } = await check(`${address}/echo/doctor`, { name: 'nothing' });
      assert.deepEqual(shown.failing, TRANSPORTS);
      assert.match(shown.summary, /No way to connect worked from here/);
      await page.close();
    });

    it('can be used with the keyboard alone', async () => {
      const page = await open(`${gateway.url}/echo/doctor`);
      const focused = () => page.evaluate(() => document.activeElement.id);
      for (let presses = 0; presses < 10 && await focused() !== 'start'; presses += 1) {
        await page.keyboard.press('Tab');
      }
      await page.keyboard.press('Enter');
      await page.waitForFunction(() => !document.querySelector('#skip').hidden);
      for (let presses = 0; presses < 10 && await focused() !== 'skip'; presses += 1) {
        await page.keyboard.press('Tab');
      }
      await page.keyboard.press('Enter');
      await finish(page);
      // Where a screen reader goes on reading.
      assert.equal(await focused(), 'summary');
      assert.match(await textOf(page, '#announcer'), /^Done\./);
      await page.close();
    });

    it('requests nothing from any host but this one', () => {
      assert.deepEqual([...browser.hosts], ['127.0.0.1']);
    });
  });
}
