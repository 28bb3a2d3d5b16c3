/*
 * A proxy for TCP that drops every connection on which nothing moved for a while.
 */
import { connect, createServer } from 'node:net';
import { listen } from '../support/ports.js';

/** Resolves to `{ port, stop() }`; `idle` is in milliseconds. */
export async function startIdleProxy(serverPort, idle) {
  const sockets = new Set();
  const server = createServer((browserSide) => {
    const serverSide = connect(serverPort, '127.0.0.1');
    const both = [browserSide, serverSide];
    const drop = () => both.forEach((socket) => socket.destroy());
    const timer = setTimeout(drop, idle);
    for (const socket of both) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('data', () => timer.refresh());
      socket.on('error', drop);
      socket.on('close', () => {
        sockets.delete(socket);
        clearTimeout(timer);
        drop();
      });
    }
    browserSide.pipe(serverSide);
    serverSide.pipe(browserSide);
  });
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
