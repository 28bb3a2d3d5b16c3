/*
 * What the backend sees of a browser, and what a browser sees of a backend that is not there, through
 * stock sockjs-client.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startBackend } from './support/backend.js';
import { startBackendProcess } from './support/backend_process.js';
import { TRANSPORTS, openSession } from './support/client.js';
import { startGateway } from './support/gateway.js';
import { get, post } from './support/http.js';
import { startPair } from './support/pair.js';

describe('what the backend sees', () => {
  let pair;

  before(async () => { pair = await startPair(); });
  after(async () => { await pair?.stop(); });

  const headers = {
    'Cookie': 'session=abc; theme=dark',
    'Authorization': 'Bearer token',
    'User-Agent': 'test/1.0',
    'X-Forwarded-For': '192.0.2.1',
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'forged.example',
    'X-Other': 'stays here',
  };

  function assertHeaders(request) {
    assert.equal(request.headers.cookie, headers.Cookie);
    assert.equal(request.headers.authorization, headers.Authorization);
    assert.equal(request.headers['user-agent'], headers['User-Agent']);
    assert.equal(request.headers['x-other'], undefined);
    assertForwarded(request);
  }

  // Not what the client claims: without `trusted_proxies`, the gateway says what it knows itself.
  function assertForwarded(request) {
    assert.equal(request.headers['x-forwarded-for'], '127.0.0.1');
    assert.equal(request.headers['x-forwarded-host'], pair.gateway.host);
    assert.equal(request.headers['x-forwarded-proto'], 'http');
  }

  for (const transport of TRANSPORTS) {
    it(`is the client's query and address on ${transport}`, async () => {
      const { client, connection } = await pair.connect(transport, { query: '?token=a%20b&room=%C3%A9' });
      assert.equal(connection.request.url, '/socket?token=a%20b&room=%C3%A9');
      assertForwarded(connection.request);
      client.close();
      await connection.closed();
    });
  }

  it("is the client's header fields on websocket", async () => {
    const { client, connection } = await pair.connect('websocket', {
      transportOptions: { websocket: { headers } },
    });
    assertHeaders(connection.request);
    client.close();
    await connection.closed();
  });

  // sockjs-client in Node sets no header fields on HTTP; a browser does, by itself.
  it("is the client's header fields of the request that opened the session, on xhr-polling", async () => {
    const url = `${pair.gateway.url}/000/headers-polling/xhr?token=x`;
    assert.equal(await (await post(url, { headers })).text(), 'o\n');
    const poll = await post(url, { headers: { Cookie: 'session=other' }, answer: 'later' });
    const connection = await pair.backend.connections.next();
    assert.equal(connection.request.url, '/socket?token=x');
    assertHeaders(connection.request);
    poll.abort();
    await connection.closed();
  });

  for (const [transport, request] of [['xhr_streaming', post], ['eventsource', get]]) {
    it(`is the client's header fields on ${transport}`, async () => {
      const response = await request(`${pair.gateway.url}/000/headers-${transport}/${transport}`, { headers });
      const connection = await pair.backend.connections.next();
      assertHeaders(connection.request);
      response.abort();
      await connection.closed();
    });
  }

  for (const transport of TRANSPORTS) {
    it(`is one connection per session on ${transport}, each with its own messages`, async () => {
      const before = pair.backend.upgrades();
      const pairs = [];
      for (let index = 0; index < 3; index += 1) pairs.push(await pair.connect(transport));
      for (let round = 0; round < 5; round += 1) {
        for (const [index, { client, connection }] of pairs.entries()) {
          client.send(`${index}.${round} up`);
          assert.equal(await connection.messages.next(), `${index}.${round} up`);
          connection.send(`${index}.${round} down`);
          assert.equal(await client.messages.next(), `${index}.${round} down`);
        }
      }
      for (const { client, connection } of pairs) {
        client.close();
        await connection.closed();
      }
      assert.equal(pair.backend.upgrades() - before, 3);
    });
  }
});

describe('a session whose client never showed that it receives', () => {
  let pair;

  before(async () => { pair = await startPair(); });
  after(async () => { await pair?.stop(); });

  it('opens no connection to the backend when it polls once', async () => {
    assert.equal(await (await post(`${pair.gateway.url}/000/one-poll/xhr`)).text(), 'o\n');
    await pair.gateway.logged('session ended'); // after disconnect_delay, 5 s
    assert.equal(pair.backend.upgrades(), 0);
  });
});

describe('a stream that is aborted as soon as it opened', () => {
  let pair;

  before(async () => { pair = await startPair(); });
  after(async () => { await pair?.stop(); });

  it('opens no connection to the backend', async () => {
    const stream = await post(`${pair.gateway.url}/000/aborted/xhr_streaming`);
    await stream.lines.next();
    assert.equal((await stream.lines.next()).value, 'o');
    stream.abort();
    await pair.gateway.logged('session ended');
    assert.equal(pair.backend.upgrades(), 0);
  });
});

describe('a backend that is killed', () => {
  for (const transport of TRANSPORTS) {
    it(`closes the session with 1014 and a reason on ${transport}`, async () => {
      const backend = await startBackendProcess();
      const gateway = await startGateway(backend.url);
      try {
        const client = openSession(gateway.url, transport);
        await client.opened();
        client.send('alive?');
        assert.equal(await client.messages.next(), 'alive?');
        await backend.kill();
        const { code, reason } = await client.closed();
        assert.equal(code, 1014);
        assert.notEqual(reason, '');
      } finally {
        await backend.kill();
        await gateway.stop();
      }
    });
  }
});

describe('a backend that does not listen', () => {
  let gateway;

  // A free port of the dynamic range could be taken by another test meanwhile; nobody listens on 1.
  before(async () => { gateway = await startGateway('ws://127.0.0.1:1/socket'); });
  after(async () => { await gateway?.stop(); });

  for (const transport of TRANSPORTS) {
    it(`closes the session with 1014 and a reason on ${transport}`, async () => {
      const client = openSession(gateway.url, transport);
      await client.opened();
      const { code, reason, wasClean } = await client.closed();
      assert.deepEqual([code, wasClean], [1014, true]);
      assert.notEqual(reason, '');
    });
  }
});

describe('a backend that refuses the handshake', () => {
  let backend;
  let gateway;

  before(async () => {
    backend = await startBackend({ refusal: 403 });
    gateway = await startGateway(backend.url);
  });

  after(async () => {
    await gateway?.stop();
    await backend?.stop();
  });

  for (const transport of TRANSPORTS) {
    it(`closes the session with 1014 and its status on ${transport}`, async () => {
      const before = backend.upgrades();
      const client = openSession(gateway.url, transport);
      await client.opened();
      const { code, reason, wasClean } = await client.closed();
      assert.deepEqual([code, wasClean], [1014, true]);
      assert.match(reason, /\b403\b/);
      assert.equal(backend.upgrades() - before, 1);
    });
  }
});
