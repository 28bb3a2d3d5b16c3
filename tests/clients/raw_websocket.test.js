/*
 * A plain WebSocket client (`ws`) through the gateway's raw endpoint to a WebSocket server: as if they were
 * connected to each other.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { startBackend } from './support/backend.js';
import { openWebSocket } from './support/client.js';
import { within } from './support/deadline.js';
import { startGateway } from './support/gateway.js';
import { startPair } from './support/pair.js';

describe('a raw WebSocket', () => {
  let pair;

  before(async () => { pair = await startPair(); });
  after(async () => { await pair?.stop(); });

  async function assertCarried({ client, connection }, message) {
    client.send(message);
    assert.deepEqual(await connection.messages.next(), message);
    connection.send(message);
    assert.deepEqual(await client.messages.next(), message);
  }

  it('carries text both ways', async () => {
    const ends = await pair.connectRaw();
    for (const message of ['', 'Ünïcödé 日本語 🛰️', '["not","unwrapped"]', 'o', 'x'.repeat(1 << 20)]) {
      await assertCarried(ends, message);
    }
    ends.client.close();
    await ends.connection.closed();
  });

  it('carries binary both ways', async () => {
    const ends = await pair.connectRaw();
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    for (const message of [Buffer.alloc(0), everyByte, Buffer.alloc(1 << 20, everyByte)]) {
      await assertCarried(ends, message);
    }
    ends.client.close();
    await ends.connection.closed();
  });

  it('keeps text and binary in order in both directions at once', async () => {
    const { client, connection } = await pair.connectRaw();
    const messages = Array.from({ length: 500 }, (_, index) => (
      index % 3 === 0 ? Buffer.from(`binary ${index}`) : `text ${index}`
    ));
    for (const message of messages) {
      client.send(message);
      connection.send(message);
    }
    assert.deepEqual(await connection.messages.take(messages.length), messages);
    assert.deepEqual(await client.messages.take(messages.length), messages);
    client.close();
    await connection.closed();
  });

  it('tells the backend query, header fields and address of the client', async () => {
    const { client, connection } = await pair.connectRaw({
      query: '?token=a%20b',
      headers: { 'Cookie': 'session=abc', 'User-Agent': 'test/1.0', 'X-Other': 'stays here' },
    });
    const { url, headers } = connection.request;
    assert.equal(url, '/socket?token=a%20b');
    assert.equal(headers.cookie, 'session=abc');
    assert.equal(headers['user-agent'], 'test/1.0');
    assert.equal(headers['x-other'], undefined);
    assert.equal(headers['x-forwarded-for'], '127.0.0.1');
    assert.equal(headers['x-forwarded-host'], pair.gateway.host);
    assert.equal(headers['x-forwarded-proto'], 'http');
    client.close();
    await connection.closed();
  });

  it("delivers the backend's close with its code and reason", async () => {
    const { client, connection } = await pair.connectRaw();
    connection.close(4001, 'bye é');
    assert.deepEqual(await client.closed(), { code: 4001, reason: 'bye é' });
    assert.equal((await connection.closed()).code, 4001);
  });

  it("delivers the client's close with its code and reason", async () => {
    const { client, connection } = await pair.connectRaw();
    client.close(4002, 'enough é');
    assert.deepEqual(await connection.closed(), { code: 4002, reason: 'enough é' });
    assert.equal((await client.closed()).code, 4002);
  });

  // 1005 stands for a close frame without a code. (RFC 6455 §7.1.5)
  it("delivers the backend's close without a code as one without a code", async () => {
    const { client, connection } = await pair.connectRaw();
    connection.close();
    assert.deepEqual(await client.closed(), { code: 1005, reason: '' });
  });

  it("delivers the client's close without a code as one without a code", async () => {
    const { client, connection } = await pair.connectRaw();
    client.close();
    assert.deepEqual(await connection.closed(), { code: 1005, reason: '' });
  });

  it('delivers what the client sent before it closed', async () => {
    const { client, connection } = await pair.connectRaw();
    const messages = Array.from({ length: 100 }, (_, index) => `last words ${index}`);
    messages.forEach(client.send);
    client.close(4003);
    assert.equal((await connection.closed()).code, 4003);
    assert.deepEqual(await connection.messages.take(messages.length), messages);
  });

  it('ends with 1001 at the backend when the client vanishes', async () => {
    const { client, connection } = await pair.connectRaw();
    client.socket.terminate();
    assert.equal((await connection.closed()).code, 1001);
  });

  it('ends with 1014 at the client when the backend vanishes', async () => {
    const { client, connection } = await pair.connectRaw();
    connection.socket.terminate();
    const { code, reason } = await client.closed();
    assert.equal(code, 1014);
    assert.notEqual(reason, '');
  });

  it('answers pings', async () => {
    const { client, connection } = await pair.connectRaw();
    const pong = once(client.socket, 'pong');
    client.socket.ping('are you there?');
    assert.equal(String((await within(pong, 'a pong'))[0]), 'are you there?');
    client.close();
    await connection.closed();
  });
});

describe('the sub-protocol of a raw WebSocket', () => {
  let pair;
  let offered;

  before(async () => {
    pair = await startPair({
      handleProtocols(protocols) {
        offered = [...protocols];
        return 'chat.v1';
      },
    });
  });
  after(async () => { await pair?.stop(); });

  it("is the backend's choice among the client's", async () => {
    const { client, connection } = await pair.connectRaw({ protocols: ['chat.v2', 'chat.v1'] });
    assert.deepEqual(offered, ['chat.v2', 'chat.v1']);
    assert.equal(client.socket.protocol, 'chat.v1');
    assert.equal(connection.socket.protocol, 'chat.v1');
    assert.equal(pair.backend.upgrades(), 1);
    client.close();
    await connection.closed();
  });
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

  it('closes a raw WebSocket with 1014 and its status', async () => {
    const client = openWebSocket(`${gateway.url}/websocket`);
    await client.opened();
    const { code, reason } = await client.closed();
    assert.equal(code, 1014);
    assert.match(reason, /\b403\b/);
  });

  // The backend is asked before the client gets its answer, since the answer names the sub-protocol.
  it('fails the handshake of a raw WebSocket that offers sub-protocols', async () => {
    const client = openWebSocket(`${gateway.url}/websocket`, ['chat.v1']);
    await assert.rejects(client.opened(), /Unexpected server response: 502/);
  });
});
