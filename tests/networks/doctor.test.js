/*
 * The doctor names what each network does: `sockjs-gateway doctor` in a terminal, and its page in Chromium. ALL_SETUPS=1
 * tries every network both ways, instead of those that are quick and need no proxy to be installed.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBrowser } from '../browsers/support/browser.js';
import { click, finish, openDoctor } from '../browsers/support/doctor_page.js';
import { SETUPS } from './setups/index.js';
import { startStack } from './support/stack.js';

const BINARY = process.env.GATEWAY
  ?? fileURLToPath(new URL('../../target/debug/sockjs-gateway', import.meta.url));

/** Problems that must be named, and no others, in the terminal as in the page. */
const EXPECTED = {
  'direct': [],
  'nginx-good': [],
  'nginx-default': ['websocket-stripped'],
  'nginx-noupg11': ['websocket-stripped'],
  'nginx-buf-gzip': [],
  'nginx-read5s': ['idle-cut'],
  'nginx-10-upg': [],
  'nginx-hardbuf': ['websocket-stripped', 'stream-tail-held'],
  'nginx-buf-r5': ['websocket-stripped', 'idle-cut'],
  'haproxy-good': ['stream-delayed'],
  'haproxy-tunnel3': ['idle-cut', 'stream-delayed'],
  'haproxy-server3': ['idle-cut', 'stream-delayed'],
  'haproxy-client3': ['idle-cut', 'stream-delayed'],
  // No stream lives long enough to show that it is delayed.
  'haproxy-rr': ['two-servers'],
  'haproxy-uri3': ['stream-delayed'],
  'squid-default': ['websocket-blocked'],
  'squid-open': [],
  'squid-read5': ['idle-cut'],
  'tinyproxy': [],
  'tinyproxy-443': ['websocket-blocked'],
  'tinyproxy-t5': ['idle-cut'],
  'varnish-default': ['websocket-stripped'],
  'varnish-pipe': [],
  'apache-default': ['websocket-stripped'],
  'apache-ws': [],
  'apache-deflate': [],
  'apache-t5': ['idle-cut'],
  'caddy': [],
  'caddy-gzip': [],
  'caddy-tls-h2': [],
  'x-bufall': ['websocket-stripped', 'stream-held-until-end'],
  'x-idle3': ['idle-cut'],
  'x-strip': ['websocket-stripped'],
  'x-wskill': ['websocket-killed'],
  'x-delay500': [],
  'x-rr': ['two-servers'],
  // The server that is asked what it saw may not be the one that the WebSocket came to.
  'x-rr-nows': ['two-servers', 'websocket-blocked'],
  'x-wshang': ['websocket-swallowed'],
  'x-max6': ['age-cut'],
  'x-buf8k': ['websocket-stripped', 'stream-held-until-size'],
  'x-buf504': ['websocket-stripped', 'gateway-timeout', 'stream-held-until-end'],
  'x-wshang-buf': ['websocket-swallowed', 'stream-held-until-end'],
};
const QUICK = {
  terminal: ['direct', 'x-strip', 'x-wshang', 'x-wskill', 'x-bufall', 'x-idle3', 'x-max6'],
  page: ['x-wshang-buf', 'x-wskill', 'x-idle3'],
};

/** What must be noted beside problems. */
const NOTED = {
  'nginx-good': 'forwarding-untrusted',
  'nginx-buf-gzip': 'compressed',
  'nginx-10-upg': 'websocket-http10',
  'apache-deflate': 'compressed',
  'caddy-gzip': 'compressed',
  'x-delay500': 'slow',
};

/** Seconds of silence. */
const SILENCE = 10;

// The slowest network lets each of six transports run into its limit.
const PAGE_TIMEOUT = 180_000;

function examineInTerminal({ baseUrl, browserProxy }) {
  const proxy = browserProxy ? ['--proxy', `http://${browserProxy}`] : [];
  // As the browser: the certificate of a proxy here is its own.
  const args = ['doctor', `${baseUrl}/echo`, '--insecure', '--json', '--idle', String(SILENCE), ...proxy];
  return new Promise((resolve, reject) => {
    execFile(BINARY, args, { timeout: 120_000, maxBuffer: 1 << 24 }, (error, output, messages) => {
      try {
        const { findings } = JSON.parse(output).verdict;
        resolve({
          problems: findings.filter(({ severity }) => severity === 'problem').map(({ id }) => id),
          findings: findings.map(({ id }) => id),
        });
      } catch {
        reject(new Error(`no verdict: ${error?.message ?? ''} ${messages}`));
      }
    });
  });
}

async function examineInPage({ baseUrl, browserProxy }) {
  const browser = await startBrowser('chromium', { proxy: browserProxy, timeout: PAGE_TIMEOUT });
  try {
    const page = await openDoctor(browser, `${baseUrl}/echo/doctor`);
    await page.waitForFunction(() => !document.querySelector('#start').disabled);
    await click(page, '#start');
    // A second after the first silence is over, and has been proven by an echo.
    return await finish(page, { skipAfter: (SILENCE + 1) * 1000 });
  } finally {
    await browser.close();
  }
}

const WAYS = { terminal: examineInTerminal, page: examineInPage };

describe('the doctor', { concurrency: 4 }, () => {
  for (const [way, examine] of Object.entries(WAYS)) {
    for (const name of process.env.ALL_SETUPS ? Object.keys(EXPECTED) : QUICK[way]) {
      const expected = EXPECTED[name];
      it(`says in ${name}, ${way}: ${expected.join(', ') || 'nothing is wrong'}`, async () => {
        const stack = await startStack(SETUPS.find((candidate) => candidate.name === name), 'gateway');
        try {
          const { problems, findings } = await examine(stack);
          assert.deepEqual([...problems].sort(), [...expected].sort());
          if (NOTED[name]) assert.ok(findings.includes(NOTED[name]), `${NOTED[name]} is not among ${findings}`);
        } finally {
          await stack.stop();
        }
      });
    }
  }
});
