/*
 * The hostile proxies do what they are said to do: raw requests through them, to a server that each test scripts.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as sendRequest } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { startHttpProxy } from './hostile/http_proxy.js';
import { startIdleProxy } from './hostile/idle_proxy.js';
import { blocks, cutAfter, late, whole } from './hostile/relays.js';
import { cutTunnelAfter, killAfterFirstFrame, lateTunnel } from './hostile/tunnels.js';
import { listen } from './support/ports.js';

const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
const HANDSHAKE = 'GET /socket HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

/** A frame of a server with `length` bytes of payload. (RFC 6455 §5.2) */
function frame(length) {
  const head = { short: [length], medium: [126, length >> 8, length & 0xff], long: [127, 0, 0, 0, 0, 0, 1, 0, 0] };
  const size = length < 126 ? 'short' : length < 65_536 ? 'medium' : 'long';
  return Buffer.concat([Buffer.from([0x82, ...head[size]]), Buffer.alloc(length, 'x')]);
}

describe('hostile proxies', { timeout: 30_000 }, () => {
  const stops = [];
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  /** A server that answers with `respond(request, response)`, or to an upgrade with `upgrade(socket)`; its port. */
  async function serve(respond, upgrade) {
    const server = createServer(respond);
    if (upgrade) server.on('upgrade', (request, socket) => { socket.on('error', () => {}); upgrade(socket); });
    const port = await listen(server);
    const sockets = new Set();
    server.on('connection', (socket) => sockets.add(socket));
    stops.push(async () => {
      const closed = once(server, 'close');
      server.close();
      sockets.forEach((socket) => socket.destroy());
      await closed;
    });
    return port;
  }

  async function through(ports, options) {
    const proxy = await startHttpProxy(ports, options);
    stops.push(proxy.stop);
    return proxy.port;
  }

  /** Sends a request; `{ head, parts, ended }`: promises of the response and of its end, and what came so far. */
  function send(port, { method = 'GET', body } = {}) {
    const sent = sendRequest({ host: '127.0.0.1', port, method, path: '/', agent: false });
    const exchange = { sent, parts: [] };
    exchange.head = once(sent, 'response').then(([response]) => {
      response.on('data', (part) => exchange.parts.push(part.toString()));
      exchange.ended = once(response, 'end');
      exchange.ended.catch(() => {});
      return response;
    });
    sent.end(body);
    return exchange;
  }

  /** Sends a handshake; `{ socket, received(), closed }`. */
  function upgrade(port) {
    const socket = connect(port, '127.0.0.1', () => socket.write(HANDSHAKE));
    let received = Buffer.alloc(0);
    socket.on('data', (part) => { received = Buffer.concat([received, part]); });
    socket.on('error', () => {});
    return { socket, received: () => received, closed: once(socket, 'close') };
  }

  it('by default pass each part on at once, and alternate between servers', async () => {
    const responses = [];
    const names = ['a', 'b'];
    const ports = await Promise.all(names.map((name) => serve((request, response) => {
      responses.push(response);
      response.write(name);
    })));
    const port = await through(ports);
    const seen = [];
    for (let turn = 0; turn < 4; turn += 1) {
      const { head } = send(port);
      const [part] = await once(await head, 'data');
      seen.push(part.toString());
    }
    assert.deepEqual([...seen.slice(0, 2)].sort(), names);
    assert.deepEqual(seen.slice(2), seen.slice(0, 2));
  });

  it('tell the server when the browser goes away, and pass bodies on', async () => {
    const aborted = new Promise((resolve) => {
      serve(async (request, response) => {
        let body = '';
        for await (const part of request) body += part;
        response.on('close', () => resolve(body));
        response.write('begun');
      }).then(through1);
    });
    async function through1(server) {
      const { head, sent } = send(await through([server]), { method: 'POST', body: '["a"]' });
      (await head).on('error', () => {});
      sent.destroy();
    }
    assert.equal(await aborted, '["a"]');
  });

  it('whole: pass nothing on before all is there', async () => {
    const answers = [];
    const server = await serve((request, response) => {
      if (answers.push(response) === 1) response.write('begun ');
      else response.end();
    });
    const port = await through([server], { relay: whole() });
    const held = send(port);
    let isAnswered = false;
    held.head.then(() => { isAnswered = true; });
    // By the time that another answer is through, the part above would be.
    while (answers.length < 2) await send(port).head;
    assert.equal(isAnswered, false);
    answers[0].end('ended');
    const response = await held.head;
    assert.equal(response.headers['content-length'], '11');
    await held.ended;
    assert.equal(held.parts.join(''), 'begun ended');
  });

  it('whole with a limit: answer 504 instead, and give the server up', async () => {
    let gaveUp;
    const given = new Promise((resolve) => { gaveUp = resolve; });
    const server = await serve((request, response) => {
      response.write('begun');
      response.on('close', gaveUp);
    });
    const exchange = send(await through([server], { relay: whole({ limit: 50 }) }));
    assert.equal((await exchange.head).statusCode, 504);
    await given;
  });

  it('blocks: pass full blocks on, and the rest at the end', async () => {
    let finish;
    const server = await serve((request, response) => {
      response.write('0123456789');
      finish = () => response.end('!');
    });
    const exchange = send(await through([server], { relay: blocks(8) }));
    await once(await exchange.head, 'data');
    assert.deepEqual(exchange.parts, ['01234567']);
    finish();
    await exchange.ended;
    assert.equal(exchange.parts.join(''), '0123456789!');
  });

  it('cutAfter: cut an answer off at its age, however busy', async () => {
    const server = await serve((request, response) => {
      const timer = setInterval(() => response.write('.'), 10);
      response.on('close', () => clearInterval(timer));
    });
    const { head } = send(await through([server], { relay: cutAfter(100) }));
    const response = await head;
    response.on('data', () => {});
    const [error] = await once(response, 'error');
    assert.equal(error.code, 'ECONNRESET');
  });

  it('late: keep the order, and pass nothing on in time', async () => {
    const server = await serve((request, response) => {
      response.write('a');
      setImmediate(() => response.end('b'));
    });
    const began = performance.now();
    const exchange = send(await through([server], { relay: late(100) }));
    await exchange.head;
    assert.ok(performance.now() - began >= 99);
    await exchange.ended;
    assert.equal(exchange.parts.join(''), 'ab');
  });

  it('strip: make an upgrade an ordinary request', async () => {
    const server = await serve(({ headers }, response) => response.end(`${headers.upgrade} ${headers.connection}`));
    const { received, closed, socket } = upgrade(await through([server], { upgrades: 'strip' }));
    socket.on('data', () => { if (received().includes('close')) socket.end(); });
    await closed;
    assert.match(received().toString(), /^HTTP\/1\.1 200 OK[^]*undefined close/);
  });

  it('swallow: let no handshake through, and no answer', async () => {
    const seen = [];
    const server = await serve(({ url }, response) => { seen.push(url); response.end(); }, () => seen.push('upgrade'));
    const port = await through([server], { upgrades: 'swallow' });
    const { received, socket } = upgrade(port);
    await once(socket, 'connect');
    await (await send(port).head).resume();
    assert.deepEqual([seen, received().length, socket.destroyed], [['/'], 0, false]);
    socket.destroy();
  });

  for (const length of [0, 125, 126, 65_536]) {
    it(`killAfterFirstFrame: pass a frame of ${length} bytes on, and nothing more`, async () => {
      const server = await serve(undefined, (socket) => {
        // In parts, one of which ends within the frame's head.
        const bytes = Buffer.concat([Buffer.from(SWITCHED), frame(length), frame(3)]);
        const cut = SWITCHED.length + 1;
        socket.write(bytes.subarray(0, cut));
        setImmediate(() => socket.write(bytes.subarray(cut)));
      });
      const { received, closed } = upgrade(await through([server], { tunnel: killAfterFirstFrame }));
      await closed;
      assert.ok(received().equals(Buffer.concat([Buffer.from(SWITCHED), frame(length)])));
    });
  }

  it('cutTunnelAfter: cut a WebSocket off at its age, however busy', async () => {
    const server = await serve(undefined, (socket) => {
      socket.write(SWITCHED);
      const timer = setInterval(() => socket.write(frame(1)), 10);
      socket.on('close', () => clearInterval(timer));
    });
    const began = performance.now();
    const { received, closed } = upgrade(await through([server], { tunnel: cutTunnelAfter(100) }));
    await closed;
    assert.ok(performance.now() - began >= 99);
    assert.ok(received().length > SWITCHED.length);
  });

  it('lateTunnel: keep the order in both directions, and pass nothing on in time', async () => {
    const server = await serve(undefined, (socket) => {
      socket.write(SWITCHED);
      let heard = '';
      socket.on('data', (part) => {
        heard += part;
        if (heard.length === 2) socket.end(heard);
      });
    });
    const began = performance.now();
    const { socket, received, closed } = upgrade(await through([server], { tunnel: lateTunnel(50) }));
    socket.once('data', () => { socket.write('a'); setImmediate(() => socket.write('b')); });
    await closed;
    assert.ok(performance.now() - began >= 149);
    assert.equal(received().toString(), `${SWITCHED}ab`);
  });

  it('the idle proxy drops a connection that rests, and none that moves', async () => {
    let rest;
    const server = await serve(undefined, (socket) => {
      socket.write(SWITCHED);
      const timer = setInterval(() => socket.write('.'), 20);
      rest = () => clearInterval(timer);
      socket.on('close', rest);
    });
    const proxy = await startIdleProxy(server, 200);
    stops.push(proxy.stop);
    const { socket, received, closed } = upgrade(proxy.port);
    // Twice as long as it may rest.
    while (received().length < SWITCHED.length + 20) await once(socket, 'data');
    const rested = performance.now();
    rest();
    await closed;
    assert.ok(performance.now() - rested >= 150);
  });
});
