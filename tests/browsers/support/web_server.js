/*
 * A web server on a free loopback port, which makes it another origin than the gateway's.
 */
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const { resolve } = createRequire(import.meta.url);

const page = (name) => new URL(`../pages/${name}`, import.meta.url);

// The clients under test: the current one, and one from the time of the 1.1 API. npm has no 0.3.4; a
// copy of that file can be named in SOCKJS_CLIENT_0_3_4.
export const CLIENTS = {
  '1.6.1': resolve('sockjs-client/dist/sockjs.js'),
  '1.1.4': resolve('sockjs-client-1.1.4/dist/sockjs.js'),
  ...(process.env.SOCKJS_CLIENT_0_3_4 && { '0.3.4': process.env.SOCKJS_CLIENT_0_3_4 }),
};

const FILES = {
  '/embedder.html': page('embedder.html'),
  '/embedder.js': page('embedder.js'),
  '/application.js': page('application.js'),
  ...Object.fromEntries(Object.entries(CLIENTS).flatMap(([version, path]) => [
    [`/sockjs-${version}.js`, path],
  ])),
};

const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8' };

/** Resolves to `{ url, stop() }`. `handle(request, response)` answers what it returns true for. */
export async function startWebServer(handle = () => false) {
  const server = createServer(async (request, response) => {
    if (await handle(request, response)) return;
    const { pathname } = new URL(request.url, 'http://localhost');
    const application = /^\/application-([\d.]+)\.html$/.exec(pathname);
    if (application) {
      const version = application[1];
      response.writeHead(200, { 'Content-Type': TYPES.html });
      response.end(`<!DOCTYPE html><meta charset="utf-8"><title>Application</title><body>
        <script src="/sockjs-${version}.js"></script><script src="/application.js"></script>`);
      return;
    }
    const file = FILES[pathname];
    if (!file) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': TYPES[pathname.split('.').pop()] });
    response.end(await readFile(file));
  });
  await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async stop() {
      const closed = new Promise((done) => { server.close(done); });
      server.closeAllConnections();
      await closed;
    },
  };
}
