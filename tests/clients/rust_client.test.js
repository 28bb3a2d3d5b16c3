/*
 * The library's own client (examples/client.rs) against sockjs-node from npm, on every transport.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sockjs from 'sockjs';
import { within } from './support/deadline.js';

const CLIENT = process.env.CLIENT
  ?? fileURLToPath(new URL('../../target/debug/examples/client', import.meta.url));
const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];

/** Hard to carry; none has NUL, which arguments of programs cannot have. */
const MESSAGES = [
  'plain', '', 'ünïcödé 😀', 'line\r\nends\n', '100% %41 %25 %0A', '"quoted" \\ a["x"]',
  '\u0001\u007f\u200d\u2028\ufeff\uffff', '</script>', 'x'.repeat(100_000),
];

/** What the client printed, line by line. */
async function run(...args) {
  const { stdout } = await within(promisify(execFile)(CLIENT, args, { maxBuffer: 1 << 24 }), 'the end of the client');
  return stdout.trim().split('\n').map((line) => JSON.parse(line));
}

describe('the Rust client and sockjs-node', () => {
  let server;
  let url;

  before(async () => {
    server = createServer((_, response) => { response.writeHead(404).end('not here'); });
    const quiet = { log: () => {}, response_limit: 4096 };
    const echo = sockjs.createServer({ ...quiet, jsessionid: true });
    echo.on('connection', (connection) => {
      connection.on('data', (message) => connection.write(message));
    });
    echo.installHandlers(server, { prefix: '/echo' });
    const closing = sockjs.createServer(quiet);
    closing.on('connection', (connection) => {
      connection.write('\ud800 lone');
      connection.write('nul \0');
      connection.close(4001, 'bye é');
    });
    closing.installHandlers(server, { prefix: '/closing' });
    const plain = sockjs.createServer({ ...quiet, websocket: false });
    plain.on('connection', (connection) => connection.close(3000, 'Go away!'));
    plain.installHandlers(server, { prefix: '/plain' });
    await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
    url = `http://127.0.0.1:${server.address().port}`;
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  for (const transport of TRANSPORTS) {
    it(`exchange messages on ${transport}, unchanged and in order`, async () => {
      const [opened, ...rest] = await run(`${url}/echo?q=1`, transport, ...MESSAGES);
      assert.equal(opened.transport, transport);
      assert.deepEqual(rest.slice(0, -1).map(({ message }) => message), MESSAGES);
      assert.deepEqual(rest.at(-1), { code: 1000, reason: 'done' });
    });

    it(`agree on the code and reason of a close on ${transport}`, async () => {
      const [, ...rest] = await run(`${url}/closing`, transport);
      // What no Rust string can hold is replaced.
      assert.deepEqual(rest, [
        { message: '\ufffd lone' }, { message: 'nul \0' }, { code: 4001, reason: 'bye é' },
      ]);
    });
  }

  it('exchange messages on a raw WebSocket', async () => {
    const [opened, ...rest] = await run(`${url}/echo`, 'websocket-raw', ...MESSAGES);
    assert.equal(opened.transport, 'websocket-raw');
    assert.deepEqual(rest.slice(0, -1).map(({ message }) => message), MESSAGES);
  });

  it('use the best transport that the server allows', async () => {
    assert.equal((await run(`${url}/echo`, 'auto', 'x'))[0].transport, 'websocket');
    const [opened, closed] = await run(`${url}/plain`, 'auto');
    assert.equal(opened.transport, 'xhr-streaming');
    assert.deepEqual(closed, { code: 3000, reason: 'Go away!' });
  });

  it('say that there is no service', async () => {
    await assert.rejects(run(`${url}/nothing`), /there is no SockJS service at .*status 404: not here/);
  });
});
