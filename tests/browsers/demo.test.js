/*
 * The demo page: every transport works from it, under its own content security policy.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { BROWSERS, startBrowser } from './support/browser.js';
import { startGateway } from './support/gateway.js';

const { SCREENSHOTS } = process.env;

// Firefox over BiDi emulates neither a colour scheme nor a phone.
const VIEWS = {
  chromium: {
    'desktop-light': {},
    'desktop-dark': { dark: true },
    'phone': { phone: true, width: 390, height: 844 },
  },
  firefox: { 'desktop-light': {} },
};

const click = (page, selector) => page.$eval(selector, (element) => element.click());

// By changes of the page: it is painted only while no other page is in front of it.
const BY_CHANGES = { polling: 'mutation' };

const waitForState = (page, selector, state) => page.waitForFunction(
  (where, wanted) => document.querySelector(where).dataset.state === wanted,
  BY_CHANGES,
  selector,
  state,
);

for (const browserName of BROWSERS) {
  describe(browserName, { timeout: 300_000 }, () => {
    let gateway;
    let browser;

    before(async () => {
      gateway = await startGateway();
      browser = await startBrowser(browserName);
      if (SCREENSHOTS) await mkdir(SCREENSHOTS, { recursive: true });
    });

    after(async () => {
      await browser?.close();
      await gateway?.stop();
    });

    async function openDemo(view) {
      const page = await browser.newPage(view);
      await page.evaluateOnNewDocument(() => {
        window.violations = [];
        document.addEventListener('securitypolicyviolation', (event) => {
          window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
        });
      });
      await page.goto(gateway.url);
      return page;
    }

    for (const [viewName, view] of Object.entries(VIEWS[browserName])) {
      it(`runs all transports, ${viewName}`, async () => {
        const page = await openDemo(view);
        await click(page, '#run');
        await page.waitForFunction(() => document.querySelector('#summary').dataset.verdict);
        const verdicts = await page.$$eval('#rows tr', (rows) => rows.map((row) => (
          `${row.dataset.transport}: ${row.dataset.verdict}, ${row.querySelector('.verdict').textContent}`
        )));
        assert.equal(verdicts.length, 10);
        assert.deepEqual(verdicts.filter((verdict) => !verdict.endsWith(': good, works')), []);
        assert.deepEqual(await page.evaluate(() => window.violations), []);
        const [needed, available] = await page.evaluate(() => [
          document.documentElement.scrollWidth, window.innerWidth,
        ]);
        assert.ok(needed <= available, `the page is ${needed} px wide on a screen of ${available} px`);
        if (SCREENSHOTS) {
          const path = join(SCREENSHOTS, `demo-${browserName}-${viewName}.png`);
          await page.screenshot({ path, fullPage: true });
        }
        await page.close();
      });
    }

    it('shows the frames of a connection, as text', async () => {
      const page = await openDemo();
      await click(page, '#wire-open');
      await waitForState(page, '#wire-state', 'open');
      await page.$eval('#wire-message', (input) => {
        input.value = '<img src=x onerror="window.pwned=1">';
      });
      await click(page, '#wire-submit');
      await page.waitForFunction(() => document.querySelectorAll('#wire-log li').length >= 4);
      const frames = await page.$$eval('#wire-log li:not(.note)', (lines) => lines.map((line) => (
        `${line.className} ${line.querySelector('.text').textContent}`
      )));
      const message = '["<img src=x onerror=\\"window.pwned=1\\">"]';
      assert.deepEqual(frames, ['in o', `out ${message}`, `in a${message}`]);
      assert.equal(await page.$('#wire-log img'), null);
      await click(page, '#wire-open');
      await waitForState(page, '#wire-state', 'idle');
      await page.close();
    });

    it('carries a broadcast from one page to another over another transport', async () => {
      const pages = [await openDemo(), await openDemo()];
      for (const [index, transport] of ['websocket', 'eventsource'].entries()) {
        await pages[index].select('#broadcast-transport', transport);
        await click(pages[index], '#broadcast-open');
        await waitForState(pages[index], '#broadcast-state', 'open');
      }
      await pages[0].$eval('#broadcast-name', (input) => { input.value = 'Ada'; });
      await pages[0].$eval('#broadcast-message', (input) => { input.value = 'hello'; });
      await click(pages[0], '#broadcast-submit');
      for (const page of pages) {
        await page.waitForFunction(() => (
          document.querySelector('#broadcast-log .text')?.textContent === 'Ada: hello'
        ), BY_CHANGES);
        await page.close();
      }
    });

    it('requests nothing from any host but this one', () => {
      assert.deepEqual([...browser.hosts], ['127.0.0.1']);
    });
  });
}
