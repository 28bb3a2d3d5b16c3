/*
 * Drives the doctor's page as a user does, and reads what it shows. The network tests use this file too.
 */
import assert from 'node:assert/strict';

export const click = (page, selector) => page.$eval(selector, (element) => element.click());

export const textOf = (page, selector) => page.$eval(selector, (element) => element.textContent);

export const isDone = (page) => page.waitForFunction(() => document.body.dataset.state === 'done');

/** A page of `browser` at this address. It keeps what is copied in `window.copied`. */
export async function openDoctor(browser, address, view) {
  const page = await browser.newPage(view);
  await page.evaluateOnNewDocument(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => {
      window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
    });
    Object.defineProperty(navigator, 'clipboard', {
      value: { writeText: async (text) => { window.copied = text; } },
    });
  });
  await page.goto(address);
  return page;
}

export async function assertFits(page) {
  const [needed, available] = await page.evaluate(() => [
    document.documentElement.scrollWidth, window.innerWidth,
  ]);
  assert.ok(needed <= available, `the page is ${needed} px wide on a screen of ${available} px`);
}

/** What the page shows once it is done. */
export const shownBy = (page) => page.evaluate(() => ({
  mood: document.querySelector('#verdict').dataset.mood,
  summary: ['#summary', '#summary-rest']
    .map((selector) => document.querySelector(selector).textContent)
    .filter(Boolean)
    .join(' '),
  figures: document.querySelector('#figures').textContent,
  findings: [...document.querySelectorAll('#finding-list .finding')].map(({ dataset }) => dataset.id),
  problems: [...document.querySelectorAll('#finding-list [data-severity="problem"]')]
    .map(({ dataset }) => dataset.id),
  failing: [...document.querySelectorAll('#transport-rows tr')]
    .filter(({ dataset }) => dataset.outcome !== 'works')
    .map(({ dataset }) => dataset.transport),
  report: document.querySelector('#report-text').textContent,
}));

/**
 * Waits for the end of a check that has begun, step by step, and resolves to what is shown then. The button that ends the
 * waiting is pressed `skipAfter` milliseconds after it appears; `Infinity` never presses it.
 */
export async function finish(page, { skipAfter = 0 } = {}) {
  let step = '';
  let isSkipping = false;
  for (;;) {
    const handle = await page.waitForFunction((before) => {
      if (document.body.dataset.state === 'done') return 'done';
      const now = document.querySelector('#step').textContent;
      return now !== before && now;
    }, { polling: 50 }, step);
    step = await handle.jsonValue();
    if (step === 'done') break;
    if (!isSkipping && await page.$eval('#skip', (button) => !button.hidden)) {
      isSkipping = true;
      await assertFits(page);
      if (skipAfter < Infinity) {
        await page.evaluate((after) => {
          setTimeout(() => document.querySelector('#skip').click(), after);
        }, skipAfter);
      }
    }
  }
  await assertFits(page);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  return shownBy(page);
}
