/*
 * A reverse proxy on a free loopback port that does to connections what networks do: takes the words
 * away that ask for a WebSocket, keeps responses back until they are complete, cuts what is silent.
 */
import { Agent, createServer, request as sendRequest } from 'node:http';
import { connect } from 'node:net';

// Fields that are for one hop only (RFC 9110 §7.6.1); a proxy that knows no WebSocket drops them.
const HOP_BY_HOP = ['connection', 'upgrade', 'keep-alive', 'te', 'transfer-encoding', 'proxy-connection'];

const withoutHopByHop = (headers) => Object.fromEntries(
  Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name)),
);

/**
 * Resolves to `{ url, stop() }`. `target` is the gateway's URL. What it does wrong:
 *
 * - `stripUpgrade`: forwards the handshake of a WebSocket as an ordinary request
 * - `bufferResponses`: passes on the body of a response once it is complete
 * - `idleLimit`: milliseconds of silence after which it cuts connections
 * - `largestBody`: bytes above which a request is answered with 413
 * - `refuse(request)`: a status to answer a request with, or undefined
 */
export async function startHostileProxy(target, {
  stripUpgrade = false, bufferResponses = false, idleLimit = 0, largestBody = Infinity, refuse = () => undefined,
} = {}) {
  const { hostname, port } = new URL(target);
  const agent = new Agent({ keepAlive: true });
  const tunnels = new Set();

  function answerFrom(upstream, response) {
    response.writeHead(upstream.statusCode, { ...withoutHopByHop(upstream.headers), via: '1.1 hostile' });
    if (bufferResponses) {
      const body = [];
      upstream.on('data', (chunk) => body.push(chunk));
      upstream.on('end', () => response.end(Buffer.concat(body)));
    } else {
      response.flushHeaders();
      upstream.pipe(response);
    }
    upstream.on('error', () => response.destroy());
  }

  const server = createServer((request, response) => {
    const status = refuse(request)
      ?? (Number(request.headers['content-length'] ?? 0) > largestBody ? 413 : undefined);
    if (status) {
      // The body is read to its end: an answer before that would be a reset to some browsers.
      request.resume().on('end', () => response.writeHead(status).end());
      return;
    }
    const forwarded = sendRequest({
      hostname,
      port,
      agent,
      method: request.method,
      path: request.url,
      headers: { ...withoutHopByHop(request.headers), via: '1.1 hostile' },
    }, (upstream) => answerFrom(upstream, response));
    forwarded.on('error', () => response.destroy());
    response.on('close', () => forwarded.destroy());
    request.pipe(forwarded);
  });

  // Without a listener, Node treats a request to upgrade as an ordinary one.
  if (!stripUpgrade) {
    server.on('upgrade', (request, socket, head) => {
      const upstream = connect(port, hostname, () => {
        const fields = [];
        for (let index = 0; index < request.rawHeaders.length; index += 2) {
          fields.push(`${request.rawHeaders[index]}: ${request.rawHeaders[index + 1]}\r\n`);
        }
        upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${fields.join('')}\r\n`);
        upstream.write(head);
        socket.pipe(upstream).pipe(socket);
      });
      const end = () => {
        tunnels.delete(socket);
        socket.destroy();
        upstream.destroy();
      };
      tunnels.add(socket);
      for (const side of [socket, upstream]) {
        side.on('error', end);
        side.on('close', end);
        if (idleLimit) side.setTimeout(idleLimit, end);
      }
    });
  }
  // Node's own limit: it ends whatever waits for a response as well.
  server.setTimeout(idleLimit);

  await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async stop() {
      const closed = new Promise((done) => { server.close(done); });
      server.closeAllConnections();
      for (const tunnel of tunnels) tunnel.destroy();
      agent.destroy();
      await closed;
    },
  };
}
