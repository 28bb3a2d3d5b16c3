/*
 * Two gateways behind each proxy: all requests of a session go to one of them, and both have some.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { BINARY } from '../clients/support/gateway.js';
import { PROGRAMS } from './support/programs.js';
import { PREFIXES, startSite } from './support/site.js';

const SESSIONS = 12;
const RUNS = 3;
const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'htmlfile', 'xhr-polling', 'jsonp-polling'];

const execute = promisify(execFile);

/** What the doctor's examination in a terminal gives, but for silence. */
async function examine(url) {
  const { stdout } = await execute(BINARY, ['doctor', url, '--no-idle', '--json'], { maxBuffer: 1 << 24 });
  return JSON.parse(stdout);
}

const describeProxy = (name) => describe(`${name} with two gateways`, () => {
  let site;

  before(async () => { site = await startSite(name, { gateways: 2 }); });
  after(async () => { await site?.stop(); });

  for (const prefix of PREFIXES) {
    for (const transport of ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling']) {
      it(`keeps ${transport} sessions of ${prefix} together`, async () => {
        for (let index = 0; index < SESSIONS; index += 1) {
          const { client, connection } = await site.connect(transport, {
            prefix,
            server: String(index).padStart(3, '0'),
            sessionId: () => `session${index}${transport}`,
          });
          for (let round = 0; round < 3; round += 1) {
            client.send(`up ${round}`);
            assert.equal(await connection.messages.next(), `up ${round}`);
            connection.send(`down ${round}`);
            assert.equal(await client.messages.next(), `down ${round}`);
          }
          connection.close(4001, 'bye');
          assert.equal((await client.closed()).code, 4001);
        }
      });
    }
  }

  for (const prefix of PREFIXES) {
    it(`has all of a run of ${prefix}/doctor seen by the gateway that judges it`, async () => {
      const runs = await Promise.all(Array.from({ length: RUNS }, () => examine(site.origin + prefix)));
      for (const { seen, verdict, code } of runs) {
        const ids = verdict.findings.map(({ id }) => id);
        assert.ok(ids.includes('all-good'), `${ids}`);
        const came = new Set(seen.requests.map(({ transport }) => transport));
        assert.deepEqual(TRANSPORTS.filter((transport) => !came.has(transport)), []);
        for (let request = 0; request < 4; request += 1) {
          const kept = await fetch(`${site.origin}${prefix}/doctor/results/${code}`);
          assert.equal(kept.status, 200);
          assert.equal((await kept.json()).seen.requests.length, seen.requests.length);
        }
      }
    });
  }

  it('spreads sessions and raw WebSockets over both', async () => {
    const before = site.relays.map(({ connections }) => connections());
    const opened = [];
    for (let index = 0; index < SESSIONS; index += 1) {
      opened.push(await site.connectRaw());
      opened.push(await site.connect('websocket', { server: String(index).padStart(3, '0') }));
    }
    const spread = site.relays.map(({ connections }, index) => connections() - before[index]);
    assert.ok(Math.min(...spread) >= 2, `${spread}`);
    for (const { client, connection } of opened) {
      client.close();
      await connection.closed();
    }
  });
});

Object.keys(PROGRAMS).forEach(describeProxy);
