/*
 * The reference server, sockjs-node, with its default options and an echo at /echo. Imported, this file starts it as a
 * process of its own; run, it is that process.
 */
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { startProgram } from '../support/program.js';

const PATH = fileURLToPath(import.meta.url);
const require = createRequire(import.meta.url);

/** Resolves to `{ port, output(), stop() }`. */
export async function startSockjsNode() {
  const { answer, ...server } = await startProgram(process.execPath, [PATH], {
    answers: (output) => /^listening (\d+)$/m.exec(output())?.[1],
  });
  return { ...server, port: Number(answer) };
}

/** `sockjs-node 0.3.24`. */
export function sockjsNodeVersion() {
  return `sockjs-node ${require('sockjs/package.json').version}`;
}

if (process.argv[1] === PATH) {
  const script = readFileSync(require.resolve('sockjs-client/dist/sockjs.min.js'));
  const echo = require('sockjs').createServer({
    prefix: '/echo',
    // By default a content delivery network's, which a test must not load.
    sockjs_url: '/sockjs.min.js',
    log: (severity, message) => { if (severity === 'error') console.error(message); },
  });
  echo.on('connection', (connection) => {
    connection?.on('data', (message) => connection.write(message));
  });
  const server = createServer((request, response) => {
    if (request.url !== '/sockjs.min.js') return;
    response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8' }).end(script);
  });
  echo.installHandlers(server);
  server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
}
