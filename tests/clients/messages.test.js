/*
 * Stock sockjs-client through the gateway to a WebSocket server: on every transport, messages arrive
 * whole, unchanged and in order, in both directions.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TRANSPORTS } from './support/client.js';
import { startPair } from './support/pair.js';

const range = (first, last) => String.fromCodePoint(
  ...Array.from({ length: last - first + 1 }, (_, index) => first + index),
);

// Each has broken some transport of some SockJS server.
const MESSAGES = {
  'an empty message': '',
  'text beyond ASCII': 'Ünïcödé, Ελληνικά, 日本語, العربية',
  'characters outside the basic plane': '🛰️ \u{1F600} \u{10000} \u{10FFFF}',
  'percent signs': '%41 100% %25 %0A %0D%0A %00 %',
  'quotes and backslashes': '"\'`\\ \\" \\\' \\u0041 \\\\',
  'the end of a script': '</script><script>x</script>',
  'what looks like frames': 'c[3000,"Go away!"]\na["x"]\no\n\ndata: o\r\n\r\n',
  'control characters': range(0x00, 0x1f),
  'C1 control characters': range(0x7f, 0x9f),
  'joiners and marks': range(0x200c, 0x200f),
  'separators and embeddings': range(0x2028, 0x202f),
  'invisible characters': range(0x2060, 0x206f),
  'specials and non-characters': range(0xfff0, 0xffff),
  'a byte order mark': '\ufeffx\ufeff',
};

const LARGE = '0123456789 ünïcödé "\\ %\n'.repeat(40_000);

const BURST = Array.from({ length: 500 }, (_, index) => `message ${index} – "é%\\"`);

const describeTransport = (transport) => describe(transport, () => {
  let pair;
  let client;
  let connection;

  before(async () => {
    pair = await startPair();
    ({ client, connection } = await pair.connect(transport));
  });

  after(async () => {
    client?.close();
    await pair?.stop();
  });

  async function assertCarried(message, received = message) {
    client.send(message);
    assert.equal(await connection.messages.next(), received, 'changed on its way to the backend');
    connection.send(message);
    assert.equal(await client.messages.next(), received, 'changed on its way to the client');
  }

  it('is the transport in use', async () => {
    assert.equal(await client.opened(), transport);
  });

  for (const [name, message] of Object.entries(MESSAGES)) {
    it(`carries ${name} both ways`, () => assertCarried(message));
  }

  // WebSocket text is UTF-8, which has no lone surrogates; JSON in a SockJS frame does.
  it('carries a lone surrogate as U+FFFD', () => assertCarried('a\ud800b\udfffc', 'a\ufffdb\ufffdc'));

  it('carries a megabyte both ways', async () => {
    assert.ok(Buffer.byteLength(LARGE) > 1 << 20);
    await assertCarried(LARGE);
  });

  it('carries a burst of 500 messages to the backend in order', async () => {
    BURST.forEach(client.send);
    assert.deepEqual(await connection.messages.take(BURST.length), BURST);
  });

  it('carries a burst of 500 messages to the client in order', async () => {
    BURST.forEach(connection.send);
    assert.deepEqual(await client.messages.take(BURST.length), BURST);
  });

  it('carries bursts of 500 messages in both directions at once', async () => {
    for (const message of BURST) {
      client.send(message);
      connection.send(message);
    }
    const [atBackend, atClient] = await Promise.all([
      connection.messages.take(BURST.length),
      client.messages.take(BURST.length),
    ]);
    assert.deepEqual(atBackend, BURST);
    assert.deepEqual(atClient, BURST);
  });

  it('has delivered nothing twice and opened one connection', () => {
    assert.deepEqual([connection.messages.length, client.messages.length], [0, 0]);
    assert.equal(pair.backend.upgrades(), 1);
  });
});

TRANSPORTS.forEach(describeTransport);
