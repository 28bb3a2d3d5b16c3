/*
 * Ports on loopback for programs that must be told theirs, and whether somebody answers there.
 */
import { connect, createServer } from 'node:net';
import { get } from 'node:http';

// Below the ports that the kernel gives to outgoing connections, of which browsers open many, and above those that
// browsers refuse to open.
const FIRST = 12_000;
const LAST = 32_000;

let next = FIRST + Math.floor(Math.random() * (LAST - FIRST));

const isFree = (port) => new Promise((resolve) => {
  const server = createServer();
  server.on('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
});

/** A free port, never the same twice in a row. */
export async function freePort() {
  for (;;) {
    next = next === LAST ? FIRST : next + 1;
    if (await isFree(next)) return next;
  }
}

/** Listens on a free port of loopback, which is returned. */
export async function listen(server) {
  await new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return server.address().port;
}

/** Whether a TCP connection to the port is accepted. */
export const accepts = (port) => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1');
  socket.on('connect', () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

/** Whether a GET of `path`, which may be a whole URL for a forward proxy, is answered with 200. */
export const serves = (port, path) => new Promise((resolve) => {
  const request = get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
    response.on('error', () => resolve(false));
    response.on('end', () => resolve(response.statusCode === 200));
    response.resume();
  });
  request.setTimeout(2_000, () => request.destroy(new Error('no answer')));
  request.on('error', () => resolve(false));
});
