/*
 * A reverse proxy for HTTP/1.1 whose every misdeed is an option. It adds no header of its own, as transparent proxies
 * do: a server that behaves well only when it is told of a proxy gets no help here.
 */
import { createServer, request as sendRequest } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { listen } from '../support/ports.js';
import { stream } from './relays.js';
import { pipe } from './tunnels.js';

// RFC 9110 §7.6.1, and Upgrade.
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding',
  'upgrade']);

function passedPairs(rawHeaders, isDropped) {
  const pairs = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (!isDropped(rawHeaders[index].toLowerCase())) pairs.push(rawHeaders[index], rawHeaders[index + 1]);
  }
  return pairs;
}

/**
 * Starts it in front of the servers on these ports, which get one request each in turn.
 *
 * - `upgrades`: `pass` sends requests for a WebSocket on; `strip` takes the wish out of them; `swallow` keeps them, and
 *   nobody ever answers
 * - `delay()` is how many milliseconds a request is held
 * - `relay` carries answers (relays.js), `tunnel` what follows an upgrade (tunnels.js)
 *
 * Resolves to `{ port, stop() }`.
 */
export async function startHttpProxy(ports, {
  upgrades = 'pass', delay = () => 0, relay = stream, tunnel = pipe,
} = {}) {
  const sockets = new Set();
  let turn = 0;

  const nextPort = () => {
    turn += 1;
    return ports[turn % ports.length];
  };

  function track(socket) {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  }

  const server = createServer(async (request, response) => {
    const hold = delay();
    if (hold > 0) await pause(hold);
    if (response.destroyed) return;
    const hasBody = 'transfer-encoding' in request.headers;
    const sent = sendRequest({
      host: '127.0.0.1',
      port: nextPort(),
      method: request.method,
      path: request.url,
      headers: [
        ...passedPairs(request.rawHeaders, (name) => HOP_BY_HOP.has(name)),
        'Connection', 'close',
        ...(hasBody ? ['Transfer-Encoding', 'chunked'] : []),
      ],
      agent: false,
    });
    sent.on('socket', track);
    sent.on('error', () => {
      if (response.headersSent || response.destroyed) response.destroy();
      else response.writeHead(502).end();
    });
    // Who went away is no longer waited for. A proxy that hid this would leave sessions behind.
    response.on('close', () => { if (!response.writableFinished) sent.destroy(); });
    relay({
      response,
      sent,
      answered: new Promise((resolve) => { sent.on('response', resolve); }),
      passedHead: (answer, isDropped = () => false) => [
        answer.statusCode,
        answer.statusMessage,
        passedPairs(answer.rawHeaders, (name) => HOP_BY_HOP.has(name) || isDropped(name)),
      ],
    });
    request.pipe(sent);
  });
  server.on('connection', track);

  async function passUpgrade(request, browserSide, head) {
    const hold = delay();
    if (hold > 0) await pause(hold);
    if (browserSide.destroyed) return;
    const serverSide = connect(nextPort(), '127.0.0.1');
    track(serverSide);
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let index = 0; index < request.rawHeaders.length; index += 2) {
      lines.push(`${request.rawHeaders[index]}: ${request.rawHeaders[index + 1]}`);
    }
    serverSide.write(`${lines.join('\r\n')}\r\n\r\n`);
    serverSide.write(head);
    browserSide.on('close', () => serverSide.destroy());
    // An orderly end is for the tunnel to carry.
    serverSide.on('close', () => { if (!serverSide.readableEnded) browserSide.destroy(); });
    tunnel(browserSide, serverSide);
  }

  // Without a listener Node takes a request for an upgrade as any other.
  if (upgrades === 'pass') server.on('upgrade', passUpgrade);
  if (upgrades === 'swallow') server.on('upgrade', (request, socket) => socket.on('end', () => socket.destroy()).resume());

  // Left to the browser and the server: a limit of Node's would be a misdeed nobody asked for.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 60_000;
  const port = await listen(server);
  return {
    port,
    async stop() {
      const closed = new Promise((resolve) => { server.close(resolve); });
      sockets.forEach((socket) => socket.destroy());
      await closed;
    },
  };
}
