/*
 * Browsers open WebSockets inside their HTTP/2 connection to the gateway. (RFC 8441)
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { BROWSERS, startBrowser } from './support/browser.js';
import { makeCertificate } from './support/certificate.js';
import { startGateway } from './support/gateway.js';

const CONFIG = ({ certificate, key }) => `
[[listener]]
address = "127.0.0.1:0"
[[listener.tls]]
certificate = "${certificate}"
key = "${key}"

[[service]]
prefix = "/echo"
backend = "echo:"
`;

/** In the page: sends a message over a new WebSocket; what came back, and with what it was closed. */
async function echo(path, message, answers) {
  const url = new URL(path, location.href.replace(/^http/, 'ws'));
  const socket = new WebSocket(url);
  const received = [];
  return new Promise((resolve, reject) => {
    socket.onopen = () => socket.send(message);
    socket.onmessage = ({ data }) => {
      received.push(data);
      if (received.length === answers) socket.close(4001, 'enough');
    };
    socket.onclose = ({ code, wasClean }) => resolve({ received, code, wasClean });
    socket.onerror = () => reject(new Error(`${url} failed`));
  });
}

/** In the page: by which protocol a resource came. */
async function protocolOf(path) {
  const url = new URL(path, location.href).href;
  await (await fetch(url)).text();
  const entries = performance.getEntriesByName(url);
  return entries[entries.length - 1].nextHopProtocol;
}

for (const name of BROWSERS) {
  describe(`HTTP/2 in ${name}`, () => {
    let certificate, gateway, browser, page;

    before(async () => {
      certificate = makeCertificate();
      const config = join(certificate.folder, 'gateway.toml');
      writeFileSync(config, CONFIG(certificate));
      gateway = await startGateway({ args: ['run', '--config', config], level: 'debug' });
      browser = await startBrowser(name);
      page = await browser.newPage();
      await page.goto(`${gateway.url}/echo/`);
    });

    after(async () => {
      await browser?.close();
      await gateway?.stop();
      certificate?.remove();
    });

    /** The gateway's line about the latest session of this transport. */
    const opened = (transport) => gateway.log
      .filter((line) => line.includes('session opened'))
      .findLast((line) => line.includes(`"${transport}"`));

    it('is spoken', async () => {
      assert.equal(await page.evaluate(protocolOf, '/echo/info'), 'h2');
    });

    it('carries WebSockets of SockJS', async () => {
      const message = 'x'.repeat(200_000);
      const outcome = await page.evaluate(echo, '/echo/000/session/websocket', JSON.stringify([message]), 2);
      assert.deepEqual(outcome.received, ['o', `a["${message}"]`]);
      assert.deepEqual([outcome.code, outcome.wasClean], [4001, true]);
      assert.match(opened('websocket'), /HTTP\/2/);
    });

    it('carries raw WebSockets', async () => {
      const outcome = await page.evaluate(echo, '/echo/websocket', 'Ünïcödé 🛰️', 1);
      assert.deepEqual(outcome, { received: ['Ünïcödé 🛰️'], code: 4001, wasClean: true });
      assert.match(opened('websocket-raw'), /HTTP\/2/);
    });

    it('leaves the network alone', () => {
      assert.deepEqual([...browser.hosts], ['127.0.0.1']);
    });
  });
}
