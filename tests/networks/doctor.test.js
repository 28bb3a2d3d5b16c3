/*
 * `sockjs-gateway doctor` names what each network does. ALL_SETUPS=1 tries every network below, instead of those that are
 * quick and need no proxy to be installed.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SETUPS } from './setups/index.js';
import { startStack } from './support/stack.js';

const BINARY = process.env.GATEWAY
  ?? fileURLToPath(new URL('../../target/debug/sockjs-gateway', import.meta.url));

/** Problems that must be named, and nothing else; `*` allows more. */
const EXPECTED = {
  direct: [],
  'nginx-default': ['websocket-stripped'],
  'nginx-hardbuf': ['websocket-stripped', 'stream-tail-held'],
  'nginx-10-upg': [],
  'haproxy-good': ['stream-delayed'],
  'haproxy-server3': ['idle-cut', '*'],
  'squid-default': ['websocket-blocked'],
  'tinyproxy-t5': ['idle-cut'],
  'varnish-default': ['websocket-stripped'],
  'apache-t5': ['idle-cut'],
  'x-strip': ['websocket-stripped'],
  'x-wshang': ['websocket-swallowed'],
  'x-wskill': ['websocket-killed'],
  'x-bufall': ['websocket-stripped', 'stream-held-until-end'],
  'x-buf504': ['gateway-timeout', '*'],
  'x-idle3': ['idle-cut'],
  'x-max6': ['age-cut', '*'],
  'x-rr-nows': ['two-servers', '*'],
};
const QUICK = ['direct', 'x-strip', 'x-wshang', 'x-wskill', 'x-bufall', 'x-idle3', 'x-max6'];

/** What it notes beside problems. */
const NOTED = { 'nginx-10-upg': 'websocket-http10' };

function examine({ baseUrl, browserProxy }) {
  const proxy = browserProxy ? ['--proxy', `http://${browserProxy}`] : [];
  const args = ['doctor', `${baseUrl}/echo`, '--json', '--idle', '10', ...proxy];
  return new Promise((resolve, reject) => {
    execFile(BINARY, args, { timeout: 120_000, maxBuffer: 1 << 24 }, (error, output, messages) => {
      try {
        resolve(JSON.parse(output).verdict);
      } catch {
        reject(new Error(`no verdict: ${error?.message ?? ''} ${messages}`));
      }
    });
  });
}

describe('the doctor', { concurrency: 4 }, () => {
  const names = process.env.ALL_SETUPS ? Object.keys(EXPECTED) : QUICK;
  for (const name of names) {
    const expected = EXPECTED[name];
    it(`says in ${name}: ${expected.join(', ') || 'nothing is wrong'}`, async () => {
      const setup = SETUPS.find((candidate) => candidate.name === name);
      const stack = await startStack(setup, 'gateway');
      try {
        const verdict = await examine(stack);
        const problems = verdict.findings
          .filter((finding) => finding.severity === 'problem')
          .map((finding) => finding.id);
        const wanted = expected.filter((id) => id !== '*');
        for (const id of wanted) assert.ok(problems.includes(id), `${id} is not among ${problems}`);
        if (!expected.includes('*')) assert.deepEqual(problems.sort(), wanted.sort());
        if (NOTED[name]) assert.ok(verdict.findings.some((finding) => finding.id === NOTED[name]));
      } finally {
        await stack.stop();
      }
    });
  }
});
