/*
 * The stock sockjs-client, in real browsers, in a page of another origin than the gateway's: every
 * transport opens, carries messages unchanged, and delivers the service's close.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { BROWSERS, startBrowser } from './support/browser.js';
import { startGateway } from './support/gateway.js';
import { CLIENTS, startWebServer } from './support/web_server.js';

// htmlfile alone is same-origin only; it has a test of its own.
const CROSS_ORIGIN = {
  '1.6.1': ['websocket', 'xhr-streaming', 'eventsource', 'iframe-eventsource', 'iframe-htmlfile',
    'xhr-polling', 'iframe-xhr-polling', 'jsonp-polling'],
  // Older clients differ in what concerns the server only by their iframe protocol.
  '1.1.4': ['iframe-eventsource', 'iframe-htmlfile', 'iframe-xhr-polling'],
  '0.3.4': ['websocket', 'xhr-streaming', 'iframe-eventsource', 'iframe-htmlfile', 'xhr-polling',
    'iframe-xhr-polling', 'jsonp-polling'],
};

// Each message has broken some transport of some SockJS server.
const MESSAGES = {
  'an empty message': '',
  'text beyond ASCII': 'Ünïcödé, Ελληνικά, 日本語, العربية',
  'a character outside the basic plane': '🛰️ \u{1F600} \u{10FFFF}',
  'percent signs': '%41 100%',
  'percent escapes of event stream delimiters': '%0A %0D%0A %00 %25',
  'NUL and control characters': Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join('') + '\u007f\u0080\u009f',
  'line separators': 'a\u2028b\u2029c\r\nd\ne\r',
  'format characters and non-characters': '\u00ad\u200b\u200f\u2060\ufeff\ufff0\uffff',
  'the end of a script': '</script><script>window.pwned=1</script>',
  'the end of a script in capitals': '</SCRIPT ><img src=x onerror="window.pwned=1">',
  'a comment that hides the end of a script': '<!--<script>',
  'quotes and backslashes': '"\'`\\ \\" \\\' \\u0041 ${1}',
  'what looks like a frame': 'c[3000,"Go away!"]\na["x"]\no',
  'form delimiters': 'a=b&d=["c"]+;d',
  '30 KB': 'abcdefghij%<"é'.repeat(2200),
};

const BURST = Array.from({ length: 5 }, (_, index) => `burst ${index}`);

const APPLICATION = new URL('pages/application.js', import.meta.url);

async function assertNotScripted(page) {
  for (const frame of page.frames()) {
    let pwned;
    try {
      pwned = await frame.evaluate(() => typeof window.pwned);
    } catch (error) {
      // jsonp-polling sends through iframes that it removes again.
      if (!page.frames().includes(frame)) continue;
      throw error;
    }
    assert.equal(pwned, 'undefined', `a message ran as a script in ${frame.url()}`);
  }
}

/** Sends every message and waits for its echo, then several at once. */
async function assertEchoes(page, url, transport) {
  await page.evaluate((...args) => window.openConnection(...args), url, transport);
  for (const [name, message] of Object.entries(MESSAGES)) {
    const echoes = await page.evaluate((messages) => window.echo(messages), [message]);
    assert.deepEqual(echoes, [message], `${name} came back changed`);
  }
  assert.deepEqual(
    await page.evaluate((messages) => window.echo(messages), BURST),
    BURST,
    'messages sent at once come back in order',
  );
  // While the connection is open, since the frames it runs in go with it.
  await assertNotScripted(page);
  await page.evaluate(() => window.closeConnection());
}

async function assertCloses(page, url, transport) {
  assert.deepEqual(
    await page.evaluate((...args) => window.awaitClose(...args), url, transport),
    ['open', { code: 3000, reason: 'Go away!' }],
  );
}

for (const browserName of BROWSERS) {
  describe(browserName, { timeout: 300_000 }, () => {
    let gateway;
    let website;
    let browser;

    before(async () => {
      gateway = await startGateway();
      website = await startWebServer();
      browser = await startBrowser(browserName);
    });

    after(async () => {
      await browser?.close();
      await website?.stop();
      await gateway?.stop();
    });

    for (const version of Object.keys(CLIENTS)) {
      for (const transport of CROSS_ORIGIN[version]) {
        it(`sockjs-client ${version} talks over ${transport} from another origin`, async () => {
          const page = await browser.newPage();
          await page.goto(`${website.url}/application-${version}.html`);
          await assertEchoes(page, `${gateway.url}/echo`, transport);
          await assertCloses(page, `${gateway.url}/close`, transport);
          await page.close();
        });
      }
    }

    it('sockjs-client 1.6.1 talks over htmlfile from the same origin', async () => {
      const page = await browser.newPage();
      await page.goto(`${gateway.url}/echo`);
      // Firefox refuses the response's scripts their parent unless the application does this, which
      // sockjs-client leaves to it.
      await page.evaluate(() => { document.domain = document.domain; });
      await page.addScriptTag({ content: await readFile(CLIENTS['1.6.1'], 'utf8') });
      await page.addScriptTag({ content: await readFile(APPLICATION, 'utf8') });
      await assertEchoes(page, `${gateway.url}/echo`, 'htmlfile');
      await assertCloses(page, `${gateway.url}/close`, 'htmlfile');
      await page.close();
    });

    it('requests nothing from any host but this one', () => {
      assert.deepEqual([...browser.hosts], ['127.0.0.1']);
    });
  });
}
