/*
 * How sessions end: with the code and reason of whoever ends them, told to the other side, on every
 * transport of stock sockjs-client.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TRANSPORTS } from './support/client.js';
import { startPair } from './support/pair.js';

describe('the end of a session', () => {
  let pair;

  before(async () => { pair = await startPair(); });
  after(async () => { await pair?.stop(); });

  for (const transport of TRANSPORTS) {
    describe(`on ${transport}`, () => {
      it("is the backend's, with its code and reason", async () => {
        const { client, connection } = await pair.connect(transport);
        connection.close(4001, 'bye é');
        assert.deepEqual(await client.closed(), { code: 4001, reason: 'bye é', wasClean: true });
        // Answered as RFC 6455 §5.5.1 asks: with the same code.
        assert.equal((await connection.closed()).code, 4001);
      });

      it('comes after every message that the backend sent before it', async () => {
        const { client, connection } = await pair.connect(transport);
        const messages = Array.from({ length: 500 }, (_, index) => `last words ${index}`);
        messages.forEach(connection.send);
        connection.close(4002, '');
        assert.deepEqual(await client.closed(), { code: 4002, reason: '', wasClean: true });
        assert.deepEqual(await client.messages.take(messages.length), messages);
      });

      it('has code 1000 when the backend says so', async () => {
        const { client, connection } = await pair.connect(transport);
        connection.close(1000, 'done');
        assert.deepEqual(await client.closed(), { code: 1000, reason: 'done', wasClean: true });
      });

      // What a close frame without a code means to a WebSocket client. (RFC 6455 §7.1.5)
      it('has code 1005 when the backend gives none', async () => {
        const { client, connection } = await pair.connect(transport);
        connection.close();
        assert.deepEqual(await client.closed(), { code: 1005, reason: '', wasClean: true });
        await connection.closed();
      });

      it("is seen by the backend when it is the client's", async () => {
        const { client, connection } = await pair.connect(transport);
        client.send('first this');
        assert.equal(await connection.messages.next(), 'first this');
        client.close(4003, 'enough');
        const { code, reason } = await connection.closed();
        if (transport === 'websocket') {
          // sockjs-client closes its WebSocket without its caller's code, which makes it 1000.
          assert.equal(code, 1000);
        } else {
          // Nothing on HTTP says that a client closes: it just leaves.
          assert.equal(code, 1001);
          assert.match(reason, /browser/i);
        }
      });

      it('is 1003 when the backend sends binary, which SockJS cannot carry', async () => {
        const { client, connection } = await pair.connect(transport);
        connection.send(Buffer.from([0, 1, 0xff]));
        const { code, reason } = await client.closed();
        assert.equal(code, 1003);
        assert.notEqual(reason, '');
        assert.equal((await connection.closed()).code, 1003);
        assert.equal(client.messages.length, 0);
      });

      it('is 1014 when the connection to the backend breaks', async () => {
        const { client, connection } = await pair.connect(transport);
        connection.send('delivered');
        assert.equal(await client.messages.next(), 'delivered');
        connection.socket.terminate();
        const { code, reason } = await client.closed();
        assert.equal(code, 1014);
        assert.notEqual(reason, '');
      });
    });
  }
});

describe('a gateway that stops', () => {
  for (const transport of TRANSPORTS) {
    it(`closes sessions with 1012 and their connections with 1001 on ${transport}`, async () => {
      const pair = await startPair();
      try {
        const { client, connection } = await pair.connect(transport);
        await pair.gateway.stop();
        const { code, wasClean } = await client.closed();
        assert.deepEqual([code, wasClean], [1012, true]);
        assert.equal((await connection.closed()).code, 1001);
      } finally {
        await pair.stop();
      }
    });
  }
});
