/*
 * static/iframe.js, between a page that speaks the iframe protocol by hand and a service that answers
 * as each test needs. No gateway takes part.
 *
 * Source of the rules: sockjs-client, lib/iframe-bootstrap.js (1.x) and lib/trans-iframe-within.js
 * (0.3.x), and the comments in static/iframe.js where it goes further.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { BROWSERS, startBrowser } from './support/browser.js';
import { startWebServer } from './support/web_server.js';

const SCRIPT = await readFile(new URL('../../static/iframe.js', import.meta.url));

// sockjs-protocol, IframePage.test_simpleUrl.
const IFRAME_PAGE = `<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="/iframe.js"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>`;

// The strictest policy under which the page works: its two scripts, requests, and htmlfile's iframe.
const INLINE_SCRIPT = /<script>([^]*?)<\/script>/.exec(IFRAME_PAGE)[1];
const IFRAME_POLICY = "default-src 'none'; connect-src 'self'; frame-src 'self'; script-src 'self' "
  + `'sha256-${createHash('sha256').update(INLINE_SCRIPT).digest('base64')}'`;

const WINDOW_ID = 'abcdefgh';

// The two ways to write a message: [name, type, data] in, the text to post out, and what the iframe
// is expected to post for a frame, a failure and an answer from /info.
const DIALECTS = {
  '1.x': {
    write: (type, data = '') => JSON.stringify({ windowId: WINDOW_ID, type, data }),
    failure: (reason) => ['c', JSON.stringify([1006, reason])],
    transport: (name) => name,
    info: { name: 'iframe-info-receiver', suffix: '/info', prefix: '' },
  },
  '0.3.x': {
    write: (type, data = '') => WINDOW_ID + type + data,
    failure: (reason) => ['t', `c${JSON.stringify([1006, reason])}`],
    transport: (name) => `w-iframe-${name}`,
    info: { name: 'w-iframe-info-receiver', suffix: '', prefix: 'm' },
  },
};

/** Collects what is asked of the service, and answers each session route from a queue of answers. */
function scriptedService() {
  const requests = [];
  const answers = new Map();
  const waiting = [];

  function note(request) {
    requests.push(request);
    waiting.splice(0).forEach((wake) => wake());
  }

  return {
    requests,
    /** The next request to `suffix` is answered by `answer(response, body)`; without one it waits. */
    on(suffix, ...list) {
      answers.set(suffix, [...(answers.get(suffix) ?? []), ...list]);
    },
    async until(condition, what) {
      const deadline = AbortSignal.timeout(15_000);
      while (!condition(requests)) {
        assert.ok(!deadline.aborted, `${what} did not happen; requests: ${JSON.stringify(requests)}`);
        await new Promise((wake) => {
          waiting.push(wake);
          deadline.addEventListener('abort', wake);
        });
      }
    },
    async handle(request, response) {
      const { pathname } = new URL(request.url, 'http://localhost');
      if (pathname === '/iframe.js') {
        response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(SCRIPT);
        return true;
      }
      if (pathname === '/echo/iframe.html') {
        response.writeHead(200, {
          'Content-Type': 'text/html; charset=UTF-8',
          'Content-Security-Policy': IFRAME_POLICY,
        }).end(IFRAME_PAGE);
        return true;
      }
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const entry = {
        method: request.method,
        pathname,
        search: new URL(request.url, 'http://localhost').search,
        body: Buffer.concat(chunks).toString(),
        aborted: false,
      };
      response.on('close', () => {
        if (!response.writableFinished) {
          entry.aborted = true;
          note({ pathname, abortSeen: true });
        }
      });
      note(entry);
      const answer = answers.get(pathname.slice(pathname.lastIndexOf('/')))?.shift();
      if (answer) await answer(response, entry.body);
      return true;
    },
  };
}

const reply = (status, type, body = '') => (response) => {
  response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' });
  response.end(body);
};
const frames = (...lines) => reply(200, 'application/javascript', lines.map((line) => `${line}\n`).join(''));
const events = (...lines) => reply(200, 'text/event-stream', `\r\n${lines.map((line) => `data: ${line}\r\n\r\n`).join('')}`);
const accepted = reply(204, 'text/plain');

/** An htmlfile response with these frames, then handed to `finish`. */
const htmlfile = (finish, ...lines) => (response) => {
  const callback = new URL(response.req.url, 'http://localhost').searchParams.get('c');
  response.writeHead(200, { 'Content-Type': 'text/html; charset=UTF-8' });
  response.write(`<!doctype html><html><head></head><body><script>
    document.domain = document.domain;
    var c = parent.${callback};
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
    </script>${' '.repeat(1024)}\r\n`);
  for (const line of lines) {
    response.write(`<script>\np(${JSON.stringify(line)});\n</script>\r\n`);
  }
  finish(response);
};

const ended = (response) => response.end();
const leftOpen = () => {};

for (const browserName of BROWSERS) {
  describe(browserName, { timeout: 300_000 }, () => {
    let browser;
    let service;
    let server;
    let website;
    let page;

    before(async () => { browser = await startBrowser(browserName); });
    after(async () => { await browser?.close(); });

    beforeEach(async () => {
      service = scriptedService();
      server = await startWebServer(service.handle);
      website = await startWebServer();
      page = await browser.newPage();
      await page.goto(`${website.url}/embedder.html`);
      await page.evaluate((base) => window.openIframe(base), `${server.url}/echo`);
      await untilReceived(2);
    });

    afterEach(async () => {
      await page?.close();
      await website?.stop();
      await server?.stop();
    });

    /** The texts that the iframe has posted after its two greetings, once there are so many. */
    async function untilReceived(count) {
      await page.waitForFunction((wanted) => window.received.length >= wanted, {}, count);
      return page.evaluate(() => window.received);
    }

    async function expectReceived(...texts) {
      assert.deepEqual((await untilReceived(texts.length + 2)).slice(2), texts);
    }

    const iframe = () => page.frames().find((frame) => frame.url().includes('/iframe.html'));

    const post = (text) => page.evaluate((message) => window.post(message), text);

    /** Sends 's' as a client does, except for what `overrides` changes. */
    function start(dialect, transport, { url, base, version = '9.9.9' } = {}) {
      return post(dialect.write('s', JSON.stringify([
        version,
        transport,
        url ?? `${server.url}/echo/000/session1`,
        base ?? `${server.url}/echo`,
      ])));
    }

    it('greets both kinds of client', async () => {
      assert.deepEqual(await untilReceived(2), [
        DIALECTS['1.x'].write('s'),
        DIALECTS['0.3.x'].write('s'),
      ]);
    });

    for (const [version, dialect] of Object.entries(DIALECTS)) {
      const failure = (reason) => dialect.write(...dialect.failure(reason));

      describe(`to a page with sockjs-client ${version}`, () => {
        it('polls, and sends in between', async () => {
          service.on('/xhr', frames('o'), frames('h', 'a["one","two"]'));
          await start(dialect, dialect.transport('xhr-polling'));
          await expectReceived(...['o', 'h', 'a["one","two"]'].map((frame) => dialect.write('t', frame)));
          service.on('/xhr_send', accepted);
          await post(dialect.write('m', '"quoted \\" \\u0000"'));
          await service.until(
            (requests) => requests.some(({ body }) => body === '["quoted \\" \\u0000"]'),
            'the send',
          );
        });

        it('passes on the frames of an event stream, and asks for the next stream', async () => {
          service.on('/eventsource', events('o', 'a["%25 %0A %zz 100%"]'), events('c[3000,"Go away!"]'));
          await start(dialect, dialect.transport('eventsource'));
          await expectReceived(
            dialect.write('t', 'o'),
            dialect.write('t', 'a["% \n %zz 100%"]'),
            dialect.write('t', 'c[3000,"Go away!"]'),
          );
        });

        it('passes on the frames of htmlfile responses, and leaves no global behind', async () => {
          service.on('/htmlfile', htmlfile(ended, 'o'), htmlfile(leftOpen, 'a["</script>"]'.replace('<', '\\u003c'), 'c[3000,"Go away!"]'));
          await start(dialect, dialect.transport('htmlfile'));
          await expectReceived(
            dialect.write('t', 'o'),
            dialect.write('t', 'a["\\u003c/script>"]'),
            dialect.write('t', 'c[3000,"Go away!"]'),
          );
          assert.deepEqual(
            await iframe().evaluate(() => ['_jp', 'SockJS'].map((name) => typeof window[name])),
            ['undefined', 'object'],
          );
        });

        it('reports a refused poll, after which it asks for nothing', async () => {
          service.on('/xhr', reply(404, 'text/plain'));
          await start(dialect, dialect.transport('xhr-polling'));
          await expectReceived(failure('permanent'));
          assert.equal(service.requests.length, 1);
        });

        it('reports a refused event stream', async () => {
          service.on('/eventsource', reply(404, 'text/plain'));
          await start(dialect, dialect.transport('eventsource'));
          await expectReceived(failure('permanent'));
        });

        it('reports an error page in place of htmlfile', async () => {
          service.on('/htmlfile', reply(404, 'text/html'));
          await start(dialect, dialect.transport('htmlfile'));
          await expectReceived(failure('permanent'));
        });

        it('reports a refused send', async () => {
          service.on('/xhr', frames('o'));
          service.on('/xhr_send', reply(404, 'text/plain'));
          await start(dialect, dialect.transport('xhr-polling'));
          await expectReceived(dialect.write('t', 'o'));
          await post(dialect.write('m', '"x"'));
          await expectReceived(dialect.write('t', 'o'), failure('Sending error: http status 404'));
        });

        it('answers the question for /info', async () => {
          service.on('/info', reply(200, 'application/json', '{"websocket":false}'));
          const { name, suffix, prefix } = dialect.info;
          await start(dialect, name, { url: `${server.url}/echo${suffix}` });
          const [, , text] = await untilReceived(3);
          const head = dialect.write('t', `${prefix}[{"websocket":false},`);
          // In JSON the quotes are escaped and the object goes on, so compare up to the number.
          assert.equal(text.slice(0, text.indexOf('false}') + 7), head.slice(0, head.indexOf('false}') + 7));
        });

        it('refuses a transport it does not know', async () => {
          for (const name of ['constructor', 'websocket']) {
            await start(dialect, name);
          }
          await expectReceived(
            failure('The iframe does not support constructor'),
            failure('The iframe does not support websocket'),
          );
        });
      });
    }

    const dialect = DIALECTS['1.x'];
    const countOf = (suffix) => (
      service.requests.filter((request) => request.method && request.pathname.endsWith(suffix)).length
    );

    // Whoever may embed the page could otherwise read any address of its origin.
    for (const [name, url] of Object.entries({
      'another path': '/private/000/session1',
      'a path beside the service': '/echo2/000/session1',
      'a path out of the service': '/echo/../private/000',
      'an encoded path out of the service': '/echo/%2e%2e/private/000',
      'a path with a fragment': '/echo/000/session1#x',
      'a fragment that swallows the suffix': '/private#/echo/000/session1',
      'too few segments': '/echo/session1',
      'too many segments': '/echo/000/session1/deeper',
      'another host': 'http://localhost:1/echo/000/session1',
      'a host behind a user name': 'http://127.0.0.1@localhost:1/echo/000/session1',
      'a script': 'javascript:alert(1)//echo/000/session1',
      'a relative address': '//localhost:1/echo/000/session1',
    })) {
      it(`refuses ${name}`, async () => {
        const { host } = new URL(server.url);
        await start(dialect, 'xhr-polling', {
          url: url.startsWith('/') && !url.startsWith('//') ? server.url + url : url,
        });
        await expectReceived(dialect.write(...dialect.failure(`The iframe serves ${host}/echo only`)));
        assert.deepEqual(service.requests, []);
      });
    }

    it('keeps the query of the transport address', async () => {
      service.on('/xhr', frames('c[1000,""]'));
      await start(dialect, 'xhr-polling', { url: `${server.url}/echo/000/session1?token=a%20b` });
      await untilReceived(3);
      assert.match(service.requests[0].search, /^\?token=a%20b&t=\d+$/);
    });

    it('asks for nothing after a close frame', async () => {
      service.on('/xhr', frames('o', 'c[3000,"Go away!"]'), frames('o'));
      await start(dialect, 'xhr-polling');
      await untilReceived(4);
      await post(dialect.write('m', '"late"'));
      // A request of the iframe that arrives after any it has sent before.
      await iframe().evaluate(() => { fetch('/echo/barrier'); });
      await service.until(() => countOf('/barrier') === 1, 'the request after');
      assert.equal(countOf('/xhr'), 1);
      assert.equal(countOf('/xhr_send'), 0);
    });

    it('sends one request at a time, in order, with what has been queued meanwhile', async () => {
      service.on('/xhr', frames('o'));
      let finish;
      service.on('/xhr_send', (response) => { finish = () => accepted(response); }, accepted);
      await start(dialect, 'xhr-polling');
      await untilReceived(3);
      for (const message of ['"1"', '"2"', '"3"']) {
        await post(dialect.write('m', message));
      }
      await service.until(() => countOf('/xhr_send') === 1, 'the first send');
      finish();
      await service.until(() => countOf('/xhr_send') === 2, 'the second send');
      assert.deepEqual(
        service.requests.filter(({ pathname }) => pathname.endsWith('/xhr_send')).map(({ body }) => body),
        ['["1"]', '["2","3"]'],
      );
    });

    it('splits a long backlog into requests of 64 KiB', async () => {
      service.on('/xhr', frames('o'));
      let finish;
      service.on('/xhr_send', (response) => { finish = () => accepted(response); }, accepted, accepted);
      await start(dialect, 'xhr-polling');
      await untilReceived(3);
      const message = JSON.stringify('x'.repeat(30_000));
      for (let count = 0; count < 4; count += 1) await post(dialect.write('m', message));
      await service.until(() => countOf('/xhr_send') === 1, 'the first send');
      finish();
      await service.until(() => countOf('/xhr_send') === 3, 'the third send');
      assert.deepEqual(
        service.requests.filter(({ pathname }) => pathname.endsWith('/xhr_send'))
          .map(({ body }) => JSON.parse(body).length),
        [1, 2, 1],
      );
    });

    // sockjs-client polls 843 times in 0.6 s here.
    it('gives up on responses without frames, slowly', async () => {
      service.on('/xhr', frames('o'), ...Array(20).fill(frames()));
      await start(dialect, 'xhr-polling');
      await expectReceived(dialect.write('t', 'o'), dialect.write(...dialect.failure('permanent')));
      assert.equal(countOf('/xhr'), 7);
    });

    for (const [name, act] of Object.entries({
      "the page's 'c'": () => post(dialect.write('c')),
      'the removal of the iframe': () => page.evaluate(() => window.removeIframe()),
    })) {
      it(`aborts the poll after ${name}`, async () => {
        service.on('/xhr', frames('o'));
        await start(dialect, 'xhr-polling');
        await untilReceived(3);
        await service.until(() => countOf('/xhr') === 2, 'the second poll');
        await act();
        await service.until(
          (requests) => requests.some(({ abortSeen, pathname }) => abortSeen && pathname.endsWith('/xhr')),
          'the abort',
        );
        assert.equal(countOf('/xhr'), 2);
      });
    }

    it('ignores what is not addressed to it', async () => {
      for (const text of ['', 'x', '{}', 'null', '7', 'otherwin' + 's[]',
        JSON.stringify({ windowId: 'otherwin', type: 's', data: '[]' }),
        JSON.stringify({ windowId: WINDOW_ID, type: 's', data: { not: 'text' } }),
        JSON.stringify({ windowId: WINDOW_ID, type: 's', data: '{broken' }),
        JSON.stringify({ windowId: WINDOW_ID, type: 'm', data: '"too early"' })]) {
        await post(text);
      }
      service.on('/xhr', frames('c[1000,""]'));
      await start(dialect, 'xhr-polling');
      await expectReceived(dialect.write('t', 'c[1000,""]'));
    });

    it('listens to its parent only', async () => {
      service.on('/xhr', frames('c[1000,""]'));
      const text = dialect.write('s', JSON.stringify([
        '1', 'xhr-polling', `${server.url}/echo/000/stranger`, `${server.url}/echo`,
      ]));
      // A sibling frame, on the same origin as the parent, with the right window id.
      await page.evaluate((message) => {
        const sibling = document.createElement('iframe');
        document.body.append(sibling);
        const script = sibling.contentDocument.createElement('script');
        script.textContent = `parent.frames[0].postMessage(${JSON.stringify(message)}, '*')`;
        sibling.contentDocument.body.append(script);
      }, text);
      await start(dialect, 'xhr-polling');
      await expectReceived(dialect.write('t', 'c[1000,""]'));
      assert.deepEqual(
        service.requests.filter(({ pathname }) => pathname.includes('stranger')),
        [],
      );
    });

    it('requests nothing from any host but this one', () => {
      assert.deepEqual([...browser.hosts], ['127.0.0.1']);
    });
  });
}
