/*
 * Stands between a proxy and a gateway, and counts the connections.
 */
import { connect, createServer } from 'node:net';
import { once } from 'node:events';

/** Resolves to `{ host, connections(), stop() }`; connections to it go on to `host:port` of `target`. */
export async function startRelay(target) {
  const [address, port] = target.split(':');
  const sockets = new Set();
  let connections = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    connections += 1;
    const far = connect({ host: address, port: Number(port), allowHalfOpen: true, noDelay: true });
    for (const [from, to] of [[near, far], [far, near]]) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => {}); // The close that follows tells.
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${server.address().port}`,
    connections: () => connections,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      sockets.forEach((socket) => socket.destroy());
      await closed;
    },
  };
}
