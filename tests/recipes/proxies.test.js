/*
 * Stock sockjs-client and plain clients through each proxy, started with the configuration that `proxy-config` prints.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { TRANSPORTS } from '../clients/support/client.js';
import { within } from '../clients/support/deadline.js';
import { post } from '../clients/support/http.js';
import { PROGRAMS } from './support/programs.js';
import { PREFIXES, startSite } from './support/site.js';

const MESSAGES = {
  'an empty message': '',
  'text beyond ASCII': 'Ünïcödé 日本語 🛰️ \u{10FFFF}',
  'percent signs, quotes and backslashes': '%41 100% %0A "\'\\ \\u0041',
  'what looks like frames and markup': 'c[3000,"Go away!"]\na["x"]\no\r\n\r\n</script><script>x</script>',
  'control and invisible characters': '\0\x01\x07\x1b\x7f\x80\u200c\u2028\u2029\ufeff\uffff',
  '300 KB': '0123456789 ünïcödé "\\ %\n'.repeat(12_000),
  // Above the request bodies that proxies take by default.
  '1.5 MB': 'x'.repeat(1_500_000),
};

// From another address than the proxies', and claiming to be somebody else.
const VISITOR = '127.0.0.2';
const LIES = {
  'Forwarded': 'for=192.0.2.9;host=evil.example;proto=https',
  'X-Forwarded-For': '192.0.2.9',
  'X-Forwarded-Host': 'evil.example',
  'X-Forwarded-Proto': 'https',
};

/** Sends a request; resolves to its response, and `incoming.text()` to the body. */
async function send(method, url, { headers = {}, body, ...options } = {}) {
  const sent = request(url, { method, headers, agent: false, ...options });
  const answered = once(sent, 'response');
  sent.end(body);
  const [incoming] = await within(answered, `the answer to ${method} ${url}`);
  incoming.setEncoding('utf8');
  incoming.text = async () => {
    let text = '';
    for await (const chunk of incoming) text += chunk;
    return text;
  };
  return incoming;
}

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

const describeTransport = (transport, site, { noticesLate }) => describe(transport, () => {
  let client;
  let connection;

  before(async () => { ({ client, connection } = await site().connect(transport)); });
  after(() => client?.close());

  it('is the transport in use', async () => {
    assert.equal(await client.opened(), transport);
  });

  for (const [name, message] of Object.entries(MESSAGES)) {
    it(`carries ${name} both ways`, async () => {
      client.send(message);
      assert.equal(await connection.messages.next(), message);
      connection.send(message);
      assert.equal(await client.messages.next(), message);
    });
  }

  // The next one is sent only when the one before has arrived: a proxy that holds one back ends the test here.
  // One that waits 200 ms for more, before it passes a frame on, is slower than any busy machine.
  it('passes every frame on at once', async () => {
    const delays = [];
    for (let frame = 0; frame < 20; frame += 1) {
      const begin = performance.now();
      connection.send(`frame ${frame}`);
      assert.equal(await client.messages.next(), `frame ${frame}`);
      delays.push(performance.now() - begin);
    }
    assert.ok(median(delays) < 150, `${median(delays)} ms`);
  });

  it('carries bursts of 300 messages in both directions at once', async () => {
    const burst = Array.from({ length: 300 }, (_, index) => `message ${index} é`);
    for (const message of burst) {
      client.send(message);
      connection.send(message);
    }
    assert.deepEqual(await connection.messages.take(burst.length), burst);
    assert.deepEqual(await client.messages.take(burst.length), burst);
  });

  it("tells the client the backend's code and reason", async () => {
    connection.close(4001, 'bye é');
    assert.deepEqual(await client.closed(), { code: 4001, reason: 'bye é', wasClean: true });
  });

  it('tells the backend that the client closed', async () => {
    const ends = await site().connect(transport, { prefix: PREFIXES[noticesLate ? 1 : 0] });
    ends.client.close(4002, 'enough');
    await ends.connection.closed();
  });
});

/** Before anybody told the gateway to trust it: what the browser asked for has to be in `Host`. */
const describeUntrusted = (name) => describe(`${name}, not trusted`, () => {
  let site;

  before(async () => { site = await startSite(name, { trusted: false }); });
  after(async () => { await site?.stop(); });

  it('lets pages of its own origin in, and no others', async () => {
    for (const [origin, status] of [[site.origin, 200], ['http://127.0.0.1', 403], ['https://evil.example', 403]]) {
      const headers = { ...LIES, Origin: origin };
      assert.equal((await send('GET', `${site.url}/info`, { headers })).statusCode, status, origin);
    }
  });
});

const describeProxy = (name) => describe(name, () => {
  let site;

  before(async () => { site = await startSite(name); });
  after(async () => { await site?.stop(); });

  TRANSPORTS.forEach((transport) => describeTransport(transport, () => site, PROGRAMS[name]));

  it('lets sockjs-client choose websocket by itself', async () => {
    const { client, connection } = await site.connect(TRANSPORTS);
    assert.equal(await client.opened(), 'websocket');
    client.close();
    await connection.closed();
  });

  it('carries text, binary and the close of a raw WebSocket', async () => {
    const { client, connection } = await site.connectRaw();
    for (const message of ['Ünïcödé', Buffer.from([0, 255, 128]), 'x'.repeat(300_000), Buffer.alloc(300_000, 7)]) {
      client.send(message);
      assert.deepEqual(await connection.messages.next(), message);
      connection.send(message);
      assert.deepEqual(await client.messages.next(), message);
    }
    client.close(4003, 'enough é');
    assert.deepEqual(await connection.closed(), { code: 4003, reason: 'enough é' });
  });

  describe('what the backend learns', () => {
    function assertTrue({ headers }) {
      assert.equal(headers['x-forwarded-for'], VISITOR);
      assert.equal(headers['x-forwarded-host'], new URL(site.origin).host);
      assert.equal(headers['x-forwarded-proto'], 'http');
      assert.equal(headers.forwarded, undefined);
    }

    for (const [who, headers] of [['', {}], [', who claims to be somebody else', LIES]]) {
      it(`is address, host and scheme of a WebSocket's client${who}`, async () => {
        const { client, connection } = await site.connectRaw({ localAddress: VISITOR, headers });
        assertTrue(connection.request);
        client.close();
        await connection.closed();
      });

      it(`is address, host and scheme of a polling client${who}`, async () => {
        const session = `${site.url}/000/${headers.Forwarded ? 'liar' : 'visitor'}`;
        const options = { localAddress: VISITOR, headers };
        assert.equal(await (await send('POST', `${session}/xhr`, options)).text(), 'o\n');
        await send('POST', `${session}/xhr_send`, { ...options, body: '["hello"]' });
        const connection = await site.backend.connections.next();
        assertTrue(connection.request);
        connection.close(1000);
      });
    }
  });

  it("lets pages of its own origin in, and no others", async () => {
    const own = await send('GET', `${site.url}/info`, { headers: { Origin: site.origin } });
    assert.equal(own.statusCode, 200);
    const headers = { ...LIES, Origin: 'https://evil.example' };
    assert.equal((await send('GET', `${site.url}/info`, { headers })).statusCode, 403);
  });

  it('takes request bodies of max_body_size, and passes on what the gateway says about too large a message', async () => {
    const session = `${site.url}/000/large`;
    assert.equal(await (await send('POST', `${session}/xhr`)).text(), 'o\n');
    const messages = [1, 2, 3].map((digit) => String(digit).repeat(1_390_000));
    const fits = await send('POST', `${session}/xhr_send`, { body: JSON.stringify(messages) });
    assert.equal(fits.statusCode, 204);
    const connection = await site.backend.connections.next();
    assert.deepEqual(await connection.messages.take(3), messages);
    const exceeds = await send('POST', `${session}/xhr_send`, {
      headers: { Origin: site.origin },
      body: JSON.stringify(['x'.repeat(2_500_000)]),
    });
    assert.equal(exceeds.statusCode, 413);
    // Without it, a script would not be told.
    assert.equal(exceeds.headers['access-control-allow-origin'], site.origin);
    connection.close(1000);
  });

  it('does not compress', async () => {
    const headers = { 'Accept-Encoding': 'gzip, br, zstd, deflate' };
    const info = await send('GET', `${site.url}/info`, { headers });
    assert.equal(info.headers['content-encoding'], undefined);
    JSON.parse(await info.text());
    const stream = await post(`${site.url}/000/plain/xhr_streaming`, { headers });
    assert.equal((await stream.lines.next()).value, 'h'.repeat(2048));
    assert.equal((await stream.lines.next()).value, 'o');
    // What the gateway says of its streams: they have an encoding already, the one that changes nothing.
    assert.equal(stream.headers['content-encoding'], 'identity');
    (await site.backend.connections.next()).close(4001, 'bye');
    assert.equal((await stream.lines.next()).value, 'c[4001,"bye"]');
  });

  // Shorter than a heartbeat, and longer than the timeouts of the file that the recipe goes into.
  it('stands silence', async () => {
    const pairs = [];
    for (const transport of TRANSPORTS) pairs.push(await site.connect(transport));
    await new Promise((over) => { setTimeout(over, 4_000); });
    for (const { client, connection } of pairs) {
      client.send('still there?');
      assert.equal(await connection.messages.next(), 'still there?');
      connection.send('still here');
      assert.equal(await client.messages.next(), 'still here');
      connection.close(1000);
      await client.closed();
    }
  });

  it('keeps connections to the gateway open', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const before = site.relays[0].connections();
    for (let round = 0; round < 30; round += 1) {
      const info = await send('GET', `${site.url}/info`, { agent });
      assert.equal(info.statusCode, 200);
      await info.text();
    }
    agent.destroy();
    const opened = site.relays[0].connections() - before;
    assert.ok(opened < 10, `${opened} connections for 30 requests`);
  });

  it('serves every service, and nothing beside them', async () => {
    for (const prefix of PREFIXES) {
      const { client, connection } = await site.connect('xhr-polling', { prefix });
      connection.close(1000);
      await client.closed();
      const greeting = await send('GET', site.origin + prefix);
      assert.equal(await greeting.text(), 'Welcome to SockJS!\n');
    }
    const before = site.relays[0].connections();
    for (const path of ['/', '/sockjsx/info', '/info', '/other/sockjs/info']) {
      const status = (await send('GET', site.origin + path)).statusCode;
      assert.ok([404, 503].includes(status), `${path}: ${status}`);
    }
    assert.equal(site.relays[0].connections(), before);
  });
});

Object.keys(PROGRAMS).forEach(describeProxy);
Object.keys(PROGRAMS).forEach(describeUntrusted);
