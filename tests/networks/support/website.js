/*
 * A website of another origin than the server's, on a free port of loopback: one empty page.
 */
import { createServer } from 'node:http';
import { listen } from './ports.js';

/** Resolves to `{ url, stop() }`. */
export async function startWebsite() {
  const server = createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
    response.end('<!DOCTYPE html><meta charset="utf-8"><title>Application</title><body></body>');
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      const closed = new Promise((resolve) => { server.close(resolve); });
      server.closeAllConnections();
      await closed;
    },
  };
}
