/*
 * A WebSocket server on a free loopback port: what the gateway's sessions talk to.
 */
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { Inbox, within } from './deadline.js';

/** One accepted WebSocket, with what it was asked for and what it receives. */
function connectionOf(socket, request) {
  const messages = new Inbox('a message at the backend');
  socket.on('message', (data, isBinary) => messages.push(isBinary ? data : data.toString()));
  socket.on('error', () => {}); // The close that follows tells.
  const closed = new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  return {
    socket,
    request,
    messages,
    closed: () => within(closed, 'the end of a connection at the backend'),
    send: (message) => socket.send(message),
    close: (code, reason) => socket.close(code, reason),
  };
}

/**
 * Resolves to `{ url, connections, upgrades(), onConnection(callback), stop() }`.
 *
 * `connections` is an `Inbox` of the accepted WebSockets and `upgrades()` the number of handshakes so far,
 * also of those that were refused. With `refusal`, an HTTP status, every handshake is.
 */
export async function startBackend({ refusal, handleProtocols } = {}) {
  const connections = new Inbox('a connection at the backend');
  let upgrades = 0;
  const server = createServer((_, response) => response.writeHead(404).end());
  server.on('upgrade', () => { upgrades += 1; });
  const sockets = new WebSocketServer({
    server,
    path: '/socket',
    ...(handleProtocols && { handleProtocols }),
    ...(refusal && { verifyClient: (_, answer) => answer(false, refusal) }),
  });
  let receive = (connection) => connections.push(connection);
  sockets.on('connection', (socket, request) => receive(connectionOf(socket, request)));
  await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
  return {
    url: `ws://127.0.0.1:${server.address().port}/socket`,
    connections,
    upgrades: () => upgrades,
    /** Has new connections given to `callback`, instead of into `connections`. */
    onConnection(callback) { receive = callback; },
    async stop() {
      const closed = new Promise((done) => { server.close(done); });
      sockets.clients.forEach((socket) => socket.terminate());
      server.closeAllConnections();
      await closed;
    },
  };
}
