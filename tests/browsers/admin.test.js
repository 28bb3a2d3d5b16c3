/*
 * The operators' page: what it shows of sessions, and what it does to them, under its own content security policy.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import SockJS from 'sockjs-client';
import { BROWSERS, startBrowser } from './support/browser.js';
import { startGateway } from './support/gateway.js';

const { SCREENSHOTS } = process.env;
const SECRET = '0123456789abcdef0123456789abcdef';
const ADMIN_TOKEN = 'an-operators-own-token';
/** What would do harm where text is taken for markup. */
const HOSTILE = '<img src=x onerror="window.pwned=1">';

const base64url = (value) => Buffer.from(value).toString('base64url');

function token(subject) {
  const signed = `${base64url('{"alg":"HS256"}')}.${base64url(JSON.stringify({ sub: subject, exp: 4e9 }))}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

const CONFIG = (folder, admin) => `
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"
tap_contents = true
${admin}

[[auth]]
name = "users"
secret_file = "${folder}/secret"
from = ["query:token"]

[[service]]
prefix = "/chat"
backend = "echo:"
origins = "*"
auth = "users"

[[service]]
prefix = "/echo"
backend = "echo:"
origins = "*"

[[service]]
prefix = "/down"
backend = "ws://127.0.0.1:9/socket"
origins = "*"
`;

describe('admin', { timeout: 300_000 }, () => {
  let folder;
  let gateway;
  let locked;
  const sockets = new Set();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sockjs-admin-'));
    await writeFile(join(folder, 'secret'), SECRET);
    await writeFile(join(folder, 'token'), `${ADMIN_TOKEN}\n`);
    await writeFile(join(folder, 'open.toml'), CONFIG(folder, ''));
    await writeFile(join(folder, 'locked.toml'), CONFIG(folder, `token_file = "${folder}/token"`));
    gateway = await start('open.toml');
    locked = await start('locked.toml');
    if (SCREENSHOTS) await mkdir(SCREENSHOTS, { recursive: true });
  });

  after(async () => {
    await gateway?.stop();
    await locked?.stop();
    await rm(folder, { recursive: true });
  });

  /** A gateway, and in `admin` the URL of its admin listener. */
  async function start(name) {
    const started = await startGateway({ args: ['run', '--config', join(folder, name)] });
    const admin = () => /admin on (http:\/\/[0-9.:]+)/.exec(started.log.join('\n'))?.[1];
    await until(admin);
    return { ...started, admin: admin() };
  }

  /** A session, open, and a promise of its end. */
  async function open(path, transport = 'websocket') {
    const socket = new SockJS(`${gateway.url}${path}`, null, { transports: [transport] });
    sockets.add(socket);
    const closed = new Promise((resolve) => { socket.onclose = resolve; });
    const opened = new Promise((resolve) => { socket.onopen = () => resolve(true); });
    return { socket, closed, opened: await Promise.race([opened, closed.then(() => false)]) };
  }

  afterEach(async () => {
    for (const socket of sockets) socket.close();
    sockets.clear();
    await until(async () => (await api('status')).sessions === 0);
  });

  async function api(path, body) {
    const response = await fetch(`${gateway.admin}/api/v1/${path}`, body && {
      method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
    });
    return response.json();
  }

  /** Asks again and again; only what is asked ends it. */
  async function until(holds) {
    // eslint-disable-next-line no-await-in-loop
    while (!await holds()) await new Promise((resolve) => { setTimeout(resolve, 50); });
  }

  for (const browserName of BROWSERS) {
    describe(browserName, () => {
      let browser;

      before(async () => { browser = await startBrowser(browserName); });
      after(async () => { await browser?.close(); });

      async function visit(fragment = '', view = {}, url = gateway.admin) {
        const page = await browser.newPage(view);
        await page.evaluateOnNewDocument(() => {
          window.violations = [];
          document.addEventListener('securitypolicyviolation', (event) => {
            window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
          });
        });
        await page.goto(`${url}/${fragment}`);
        return page;
      }

      const click = (page, selector) => page.$eval(selector, (element) => element.click());
      const texts = (page, selector) => page.$$eval(selector, (all) => all.map((one) => one.textContent));
      const waitForText = (page, selector, text) => page.waitForFunction(
        (where, wanted) => document.querySelector(where)?.textContent.includes(wanted),
        {},
        selector,
        text,
      );
      const waitForRows = (page, selector, count) => page.waitForFunction(
        (where, wanted) => document.querySelectorAll(where).length === wanted,
        {},
        selector,
        count,
      );
      const screenshot = async (page, name) => {
        if (SCREENSHOTS) await page.screenshot({ path: join(SCREENSHOTS, `admin-${browserName}-${name}.png`), fullPage: true });
      };

      /** Nothing hurt the page, and it fits. */
      async function close(page) {
        assert.deepEqual(await page.evaluate(() => window.violations), []);
        assert.equal(await page.evaluate(() => window.pwned), undefined);
        const [needed, available] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
        assert.ok(needed <= available, `the page is ${needed} px wide on a screen of ${available} px`);
        await page.close();
      }

      async function populate() {
        const users = ['ada', 'grace', 'linus', HOSTILE];
        const opening = users.map((user) => open(`/chat?token=${token(user)}`));
        const transports = ['websocket', 'xhr-streaming', 'xhr-streaming', 'xhr-polling'];
        const others = transports.map((transport) => open('/echo', transport));
        const sessions = await Promise.all([...opening, ...others]);
        assert.ok(sessions.every(({ opened }) => opened));
        await open('/down');
        return sessions;
      }

      it('shows the gateway, its transports, services and upstreams', async () => {
        const sessions = await populate();
        const traffic = setInterval(() => {
          for (const { socket } of sessions) socket.send(`{"hello":"${'x'.repeat(Math.random() * 300)}"}`);
        }, 50);
        const views = browserName === 'chromium'
          ? { light: {}, dark: { dark: true }, narrow: { width: 1000, height: 800 }, phone: { phone: true, width: 390, height: 844 } }
          : { light: {} };
        for (const [name, view] of Object.entries(views)) {
          const page = await visit('', view);
          await waitForText(page, '#state', 'Ready');
          await waitForText(page, '#mix', 'xhr-streaming');
          await waitForText(page, '#services', 'down');
          assert.deepEqual(await texts(page, '#services tr td:first-child'), ['/chat', '/down', '/echo']);
          await waitForText(page, '#services', 'Connection refused');
          // A line needs two points.
          await page.waitForFunction(() => document.querySelector('.chart path.line')?.getAttribute('d').includes('L'));
          if (SCREENSHOTS) await new Promise((resolve) => { setTimeout(resolve, 20_000); });
          await screenshot(page, `overview-${name}`);
          await close(page);
        }
        clearInterval(traffic);
      });

      it('lists sessions, filters and sorts them', async () => {
        await populate();
        const page = await visit('#/sessions');
        await waitForRows(page, '#sessions-rows tr', 8);
        await waitForText(page, '#sessions-rows', HOSTILE);
        await screenshot(page, 'sessions');
        await page.select('#filter-service', '/echo');
        await waitForRows(page, '#sessions-rows tr', 4);
        // Which there are is counted once a second.
        await page.waitForSelector('#filter-transport option[value=xhr-streaming]');
        await page.select('#filter-transport', 'xhr-streaming');
        await waitForRows(page, '#sessions-rows tr', 2);
        await waitForText(page, '#sessions-count', '2 that fit');
        await click(page, '#filters button[type=reset]');
        await waitForRows(page, '#sessions-rows tr', 8);
        await page.type('#filter-user', 'grace');
        await waitForRows(page, '#sessions-rows tr', 1);
        await click(page, '#filters button[type=reset]');
        await page.type('#filter-address', 'nowhere');
        await waitForText(page, '#filters-problem', '10.0.0.0/8');
        await click(page, '#filters button[type=reset]');
        await waitForRows(page, '#sessions-rows tr', 8);
        await click(page, '#sessions-head th:nth-child(10) button');
        await page.waitForFunction(() => document.querySelector('#sessions-head th:nth-child(10)').ariaSort === 'ascending');
        const named = (await texts(page, '#sessions-rows tr td:last-child')).filter((user) => user !== '–');
        assert.deepEqual(named, [HOSTILE, 'ada', 'grace', 'linus']);
        await close(page);
      });

      it('shows one session, watches its frames, and ends it', async () => {
        const { socket, closed } = await open(`/chat?token=${token(HOSTILE)}`);
        const page = await visit('#/sessions');
        await waitForRows(page, '#sessions-rows tr', 1);
        await click(page, '#sessions-rows a');
        await waitForText(page, '#session-details', HOSTILE);
        await waitForText(page, '#session-state', 'receiving');
        await page.waitForFunction(() => !document.querySelector('#tap-contents').disabled);
        await click(page, '#tap-contents');
        await click(page, '#tap');
        await waitForText(page, '#tap-state', 'with what messages say');
        await until(async () => {
          socket.send(HOSTILE);
          return await page.$('#tap-rows tr');
        });
        await waitForText(page, '#tap-rows tr[data-direction=in] code', HOSTILE);
        await waitForText(page, '#tap-rows tr[data-direction=out] code', HOSTILE);
        await screenshot(page, 'session');
        await click(page, '#kick');
        await page.waitForSelector('#ask[open]');
        await screenshot(page, 'kick');
        await page.$eval('#ask-reason', (input) => { input.value = 'bye'; });
        await click(page, '#ask-yes');
        const { code, reason } = await closed;
        assert.deepEqual([code, reason], [4000, 'bye']);
        await waitForText(page, '#session-problem', 'has ended: an operator ended it: 4000 bye');
        await waitForText(page, '#tap-rows tr:last-child', 'an operator ended it: 4000 bye');
        await screenshot(page, 'session-ended');
        await page.evaluate(() => { location.hash = '#/sessions/0123456789abcdef'; });
        await waitForText(page, '#session-problem', 'no session with this ID');
        await waitForText(page, '#session-state', 'unknown');
        await close(page);
      });

      it('drains, and takes it back', async () => {
        const { closed } = await open('/echo');
        const page = await visit();
        await waitForText(page, '#state', 'Ready');
        await click(page, '#drain');
        await page.waitForSelector('#ask[open]');
        await click(page, '#ask-yes');
        assert.equal((await closed).code, 1012);
        await waitForText(page, '#state', 'Draining');
        assert.equal((await fetch(`${gateway.admin}/ready`)).status, 503);
        await screenshot(page, 'draining');
        await click(page, '#drain');
        await waitForText(page, '#state', 'Ready');
        assert.equal((await fetch(`${gateway.admin}/ready`)).status, 200);
        await close(page);
      });

      it('reads the configuration again, and shows what is in force without secrets', async () => {
        const page = await visit('#/config');
        await waitForText(page, '#config-rows', 'admin.tap_contents');
        assert.ok(!(await page.content()).includes(SECRET));
        await screenshot(page, 'config');
        await click(page, '#reload');
        await waitForText(page, '#outcome-title', 'was read again');
        await waitForText(page, '#outcome-list', 'warning: ');
        await screenshot(page, 'reloaded-warnings');
        await click(page, '#outcome button');
        await writeFile(join(folder, 'open.toml'), `${CONFIG(folder, '')}\nwrong = 1\n`);
        await click(page, '#reload');
        await waitForText(page, '#outcome-list', '"wrong"');
        await screenshot(page, 'mistakes');
        // Many mistakes are read to the last.
        const list = '#outcome-list';
        const many = Array.from({ length: 60 }, (_, index) => `wrong${index} = 1`).join('\n');
        await click(page, '#outcome button');
        await writeFile(join(folder, 'open.toml'), `${many}\n${CONFIG(folder, '')}`);
        await click(page, '#reload');
        await waitForText(page, list, '"wrong59"');
        assert.ok(await page.$eval(list, (all) => {
          all.lastElementChild.scrollIntoView();
          return all.scrollTop > 0 && all.getBoundingClientRect().bottom < innerHeight;
        }));
        await click(page, '#outcome button');
        // What waits for a restart is told beside what is in force.
        const restart = CONFIG(folder, '').replace('[admin]', '[server]\nbacklog = 77\n\n[admin]');
        await writeFile(join(folder, 'open.toml'), restart);
        await click(page, '#reload');
        await waitForText(page, list, 'needs a restart: server.backlog');
        await waitForText(page, '#config-rows', 'after a restart 77');
        await screenshot(page, 'reloaded');
        await click(page, '#outcome button');
        await screenshot(page, 'config-restart');
        const dark = await visit('#/config', { dark: true });
        await waitForText(dark, '#config-rows', 'after a restart 77');
        await screenshot(dark, 'config-restart-dark');
        await close(dark);
        await writeFile(join(folder, 'open.toml'), CONFIG(folder, ''));
        await click(page, '#reload');
        await page.waitForFunction(() => !document.querySelector('#config-rows').textContent.includes('after a restart'));
        await close(page);
      });

      it('can be used with the keyboard alone', async () => {
        const { closed } = await open('/echo');
        const page = await visit('#/sessions');
        await waitForRows(page, '#sessions-rows tr', 1);
        const focused = () => page.evaluate(() => {
          const { activeElement: at } = document;
          const outline = getComputedStyle(at).outlineStyle;
          return `${at.id || at.className || at.tagName} ${outline === 'none' ? 'unseen' : 'seen'}`;
        });
        const seen = [];
        for (let step = 0; step < 40 && !seen.includes('mono seen'); step += 1) {
          await page.keyboard.press('Tab');
          seen.push(await focused());
        }
        assert.ok(seen.includes('mono seen'), `the session's link is not reached: ${seen.join(', ')}`);
        assert.ok(seen.includes('drain seen') && seen.includes('filter-user seen'), seen.join(', '));
        await page.keyboard.press('Enter');
        await waitForText(page, '#session-state', 'receiving');
        await page.focus('#kick');
        await page.keyboard.press('Enter');
        await page.waitForSelector('#ask[open]');
        await page.keyboard.press('Escape');
        await page.waitForFunction(() => !document.querySelector('#ask').open);
        await page.keyboard.press('Enter');
        await page.waitForSelector('#ask[open]');
        await page.keyboard.press('Enter');
        assert.equal((await closed).code, 4000);
        await close(page);
      });

      it('asks for the token, keeps it for the tab, and tells when the gateway is gone', async () => {
        const page = await visit('', {}, locked.admin);
        await page.waitForSelector('#ask[open]');
        await page.type('#ask-token', 'a wrong one');
        await click(page, '#ask-yes');
        await waitForText(page, '#ask-problem', 'not the token');
        await screenshot(page, 'token');
        await page.$eval('#ask-token', (input) => { input.value = ''; });
        await page.type('#ask-token', ADMIN_TOKEN);
        await click(page, '#ask-yes');
        await waitForText(page, '#state', 'Ready');
        await page.reload();
        await waitForText(page, '#state', 'Ready');
        await page.setOfflineMode?.(true);
        if (browserName === 'chromium') {
          await waitForText(page, '#trouble', 'does not answer');
          await screenshot(page, 'lost');
          await page.setOfflineMode(false);
          await page.waitForFunction(() => document.querySelector('#trouble').hidden);
        }
        await close(page);
      });

      it('requests nothing from any host but this one', () => {
        assert.deepEqual([...browser.hosts], ['127.0.0.1']);
      });
    });
  }
});
