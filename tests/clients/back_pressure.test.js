/*
 * Who does not read stops who sends to it, without the gateway's memory growing: what is waiting stays with
 * the sender, and arrives in order once it is read.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { openWebSocket } from './support/client.js';
import { DEADLINE } from './support/deadline.js';
import { post } from './support/http.js';
import { startPair } from './support/pair.js';

const MESSAGE = 64 << 10;
const COUNT = 1024;
const TOTAL = COUNT * MESSAGE;

const messageOf = (index) => `${index} `.padEnd(MESSAGE, 'x');

// What sockets may hold on the two ways, with room to spare: Linux grows the buffers of one to some MiB.
const IN_SOCKETS = 32 << 20;

const GROWTH = 16 << 20;

/** Sends everything at once: what the gateway does not read stays in this process. */
function sendAll(sender) {
  for (let index = 0; index < COUNT; index += 1) sender.send(messageOf(index));
}

/** Resolves when the gateway has stopped reading: nothing left the sender's `socket` for a second. */
async function assertStopped(socket) {
  const step = 50;
  let unchanged = 0;
  let last = socket.bufferedAmount;
  for (let waited = 0; unchanged < 1000; waited += step) {
    assert.ok(waited < DEADLINE, 'the sender is read on and on, though its receiver does not read');
    await pause(step);
    unchanged = socket.bufferedAmount === last ? unchanged + step : 0;
    last = socket.bufferedAmount;
  }
  assert.ok(last > TOTAL - IN_SOCKETS, `only ${last} bytes of ${TOTAL} are still at the sender`);
}

function assertInOrder(message, index) {
  // Not `equal`: its error would hold both, 64 KiB each.
  assert.ok(message === messageOf(index), `message ${index} is ${String(message).slice(0, 40)}…`);
}

const options = { skip: !existsSync('/proc/self/status') && 'the memory of a process is read from /proc' };

let pair;

// A gateway of its own for each test, so that memory kept from another does not hide growth.
const withPair = (test) => async () => {
  pair = await startPair();
  try {
    await test();
  } finally {
    await pair.stop();
  }
};

/** Runs `test` and checks that the gateway's memory never grew by more than allowed meanwhile. */
async function assertBounded(test) {
  const before = pair.gateway.memory('VmRSS');
  await test();
  const grown = pair.gateway.memory('VmHWM') - before;
  assert.ok(grown < GROWTH, `the gateway's memory has grown by ${(grown / (1 << 20)).toFixed(1)} MiB`);
}

describe('a client that does not read', options, () => {
  it('stops the backend on a raw WebSocket', withPair(async () => {
    const { client, connection } = await pair.connectRaw();
    await assertBounded(async () => {
      client.socket.pause();
      sendAll(connection);
      await assertStopped(connection.socket);
    });
    client.socket.resume();
    for (let index = 0; index < COUNT; index += 1) assertInOrder(await client.messages.next(), index);
    connection.close(1000, 'all sent');
    assert.deepEqual(await client.closed(), { code: 1000, reason: 'all sent' });
    assert.equal(client.messages.length, 0);
  }));

  it('stops the backend on websocket', withPair(async () => {
    const client = openWebSocket(`${pair.gateway.url}/000/slow/websocket`);
    const connection = await pair.backend.connections.next();
    assert.equal(await client.messages.next(), 'o');
    await assertBounded(async () => {
      client.socket.pause();
      sendAll(connection);
      await assertStopped(connection.socket);
    });
    client.socket.resume();
    for (let index = 0; index < COUNT;) {
      const frame = await client.messages.next();
      assert.equal(frame[0], 'a', frame.slice(0, 40));
      for (const message of JSON.parse(frame.slice(1))) {
        assertInOrder(message, index);
        index += 1;
      }
    }
    connection.close(1000, 'all sent');
    assert.equal(await client.messages.next(), 'c[1000,"all sent"]');
    assert.equal((await client.closed()).code, 1000);
  }));

  it('stops the backend on xhr-streaming', withPair(async () => {
    const session = `${pair.gateway.url}/000/slow`;
    let stream = await post(`${session}/xhr_streaming`);
    await stream.lines.next(); // the prelude
    assert.equal((await stream.lines.next()).value, 'o');
    const sent = await post(`${session}/xhr_send`, { body: '["start"]' });
    assert.equal(sent.status, 204);
    const connection = await pair.backend.connections.next();
    await assertBounded(async () => {
      sendAll(connection);
      await assertStopped(connection.socket);
    });
    let index = 0;
    let closed;
    while (!closed) {
      for await (const frame of stream.lines) {
        if (frame.startsWith('h')) continue;
        if (frame.startsWith('c')) {
          closed = frame;
          break;
        }
        assert.equal(frame[0], 'a', frame.slice(0, 40));
        for (const message of JSON.parse(frame.slice(1))) {
          assertInOrder(message, index);
          index += 1;
        }
        if (index === COUNT) connection.close(1000, 'all sent');
      }
      // A response ends at its response_limit; the session goes on with the next.
      if (!closed) stream = await post(`${session}/xhr_streaming`);
    }
    assert.equal(index, COUNT);
    assert.equal(closed, 'c[1000,"all sent"]');
  }));
});

describe('a backend that does not read', options, () => {
  it('stops the client on a raw WebSocket', withPair(async () => {
    const { client, connection } = await pair.connectRaw();
    await assertBounded(async () => {
      connection.socket.pause();
      sendAll(client);
      await assertStopped(client.socket);
    });
    connection.socket.resume();
    for (let index = 0; index < COUNT; index += 1) assertInOrder(await connection.messages.next(), index);
    client.close(1000, 'all sent');
    assert.deepEqual(await connection.closed(), { code: 1000, reason: 'all sent' });
    assert.equal(connection.messages.length, 0);
  }));

  it('stops the client on websocket', withPair(async () => {
    const client = openWebSocket(`${pair.gateway.url}/000/fast/websocket`);
    const connection = await pair.backend.connections.next();
    await assertBounded(async () => {
      connection.socket.pause();
      sendAll({ send: (message) => client.send(JSON.stringify([message])) });
      await assertStopped(client.socket);
    });
    connection.socket.resume();
    for (let index = 0; index < COUNT; index += 1) assertInOrder(await connection.messages.next(), index);
    client.close(1000, 'all sent');
    assert.deepEqual(await connection.closed(), { code: 1000, reason: 'all sent' });
    assert.equal(connection.messages.length, 0);
  }));
});
