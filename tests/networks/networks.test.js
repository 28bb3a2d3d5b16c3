/*
 * The short version of the matrix, in Chromium: a stock application must work through every hostile network, and through
 * the real proxies that hurt most, when the gateway meets it first and later.
 *
 * No limit here is one of speed. Where a transport must open, it gets PATIENCE to do so, far more than a busy machine
 * needs; so a transport that cannot open costs that long, and one that was not waited for shows that it was not tried.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SETUPS } from './setups/index.js';
import { runContacts, Slots } from './support/contacts.js';

const PATIENCE = 8_000;

const STOCK = {};
const PATIENT = { timeout: PATIENCE };

/*
 * `first` and `later` are contacts with the same server: the options of sockjs-client, and the transport that it must
 * choose, if only one is right. With stock options it may be driven past a good one on a busy machine.
 */
const EXPECTED = {
  // WebSocket passes, and must be neither refused nor given up, now or later.
  'direct': { first: [PATIENT, 'websocket'], later: [PATIENT, 'websocket'] },
  'x-idle3': { first: [PATIENT, 'websocket'], later: [PATIENT, 'websocket'] },
  'haproxy-server3': { first: [PATIENT, 'websocket'], later: [PATIENT, 'websocket'] },
  'nginx-10-upg': { first: [PATIENT, 'websocket'], later: [PATIENT, 'websocket'] },
  // A user whose WebSocket is not let through gets a stream, which must not be compressed away.
  'caddy-gzip': {
    first: [PATIENT, 'websocket'],
    later: [{ ...PATIENT, transports: ['xhr-streaming', 'xhr-polling'] }, 'xhr-streaming'],
  },
  'x-delay500': { first: [STOCK], later: [STOCK] },

  // WebSocket fails at once, streams pass.
  'x-strip': { first: [PATIENT, 'xhr-streaming'], later: [PATIENT, 'xhr-streaming'] },
  'x-wskill': { first: [PATIENT, 'xhr-streaming'], later: [PATIENT, 'xhr-streaming'] },

  'nginx-default': { first: [PATIENT, 'xhr-streaming'], later: [PATIENT, 'xhr-streaming'] },
  'nginx-hardbuf': { first: [PATIENT, 'xhr-streaming'], later: [PATIENT, 'xhr-streaming'] },

  // What fails without an answer the client has to wait for; later the server knows what to spare it.
  'x-wshang': { first: [STOCK], later: [PATIENT, 'xhr-streaming'] },
  'x-bufall': { first: [STOCK], later: [PATIENT, 'xhr-streaming'] },
  'x-buf8k': { first: [STOCK], later: [PATIENT, 'xhr-streaming'] },
  'x-buf504': { first: [STOCK], later: [PATIENT, 'xhr-streaming'] },
  'x-wshang-buf': { first: [STOCK], later: [PATIENT, 'xhr-streaming'] },
};

const setupNamed = (name) => {
  const setup = SETUPS.find((one) => one.name === name);
  assert.ok(setup, `there is no setup ${name}`);
  return setup;
};

describe('in Chromium', { concurrency: 4, timeout: 300_000 }, () => {
  const slots = new Slots(2);
  const run = async (name, server, contacts) => {
    const { verdicts } = await runContacts({ setup: setupNamed(name), server, browser: 'chromium', contacts, slots });
    return verdicts;
  };

  function assertWorks(verdict, transport, which) {
    assert.ok(verdict.ok, `${which} contact: ${verdict.text}`);
    if (!transport) return;
    assert.equal(verdict.transport, transport, `${which} contact: ${verdict.text}`);
    assert.ok(verdict.open < PATIENCE, `${which} contact waited for a transport that cannot open: ${verdict.text}`);
  }

  for (const [name, { first, later }] of Object.entries(EXPECTED)) {
    it(`the gateway works through ${name}: ${setupNamed(name).about}`, async () => {
      const verdicts = await run(name, 'gateway', [first[0], later[0]]);
      assertWorks(verdicts[0], first[1], 'first');
      assertWorks(verdicts[1], later[1], 'later');
    });
  }

  // An unmodified client cannot be warned, nor does it come back: the first WebSocket may be lost, and no more than that.
  it(`the gateway works through x-max6 once it was met: ${setupNamed('x-max6').about}`, async () => {
    const [first, later] = await run('x-max6', 'gateway', [STOCK, STOCK]);
    if (!first.ok) assert.deepEqual([first.kind, first.transport], ['cut', 'websocket'], `first contact: ${first.text}`);
    assertWorks(later, undefined, 'later');
  });

  // Were these networks not as hostile as they are said to be, the tests above would show nothing.
  for (const [name, kind] of [['x-wskill', 'DIES'], ['x-idle3', 'cut']]) {
    it(`sockjs-node does not work through ${name}`, async () => {
      const [verdict] = await run(name, 'sockjs-node', [PATIENT]);
      assert.equal(verdict.kind, kind, verdict.text);
    });
  }
});
