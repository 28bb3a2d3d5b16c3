/*
 * A backend, one or several gateways in front of it, and a proxy in front of those.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBackend } from '../../clients/support/backend.js';
import { openSession, openWebSocket } from '../../clients/support/client.js';
import { startGateway } from '../../clients/support/gateway.js';
import { bothEnds } from '../../clients/support/pair.js';
import { startProxy } from './proxy.js';
import { startRelay } from './relay.js';

/** All, also those that are off where pages of the own origin alone are let in. */
const TRANSPORTS = ['websocket', 'websocket-raw', 'xhr-streaming', 'eventsource', 'htmlfile', 'xhr-polling', 'jsonp-polling'];
/** The second is longer than the first and begins with it, has a dot, and heartbeats every second. Both have a doctor. */
export const PREFIXES = ['/sockjs', '/sockjs/feed.v1'];
const DOCTOR = 'doctor = true\ndoctor_results = 4\n';
const OPTIONS = [DOCTOR, `${DOCTOR}heartbeat_delay = "1s"\n`];

/**
 * Resolves to
 *
 * - `backend` and `relays`, one per gateway
 * - `origin`, the proxy's `http://127.0.0.1:PORT`, and `url`, the first service there
 * - `connect(transport, options)` and `connectRaw(options)`: `{ client, connection }`, both ends
 * - `stop()`
 */
export async function startSite(proxyName, { gateways: count = 1, trusted = true } = {}) {
  const started = [];
  const start = async (starting) => {
    const part = await starting;
    started.unshift(part);
    return part;
  };
  const stop = async () => { for (const part of started) await part.stop(); };
  try {
    const folder = await mkdtemp(join(tmpdir(), 'sockjs-gateway-'));
    await start({ stop: () => rm(folder, { recursive: true, force: true }) });
    const backend = await start(startBackend());
    const config = join(folder, 'gateway.toml');
    const services = PREFIXES.map((prefix, index) => (
      `[[service]]\nprefix = "${prefix}"\nbackend = "${backend.url}"\n${OPTIONS[index]}`
    ));
    const proxies = trusted ? 'trusted_proxies = ["127.0.0.1"]\n' : '';
    const defaults = `[defaults]\ntransports = ${JSON.stringify(TRANSPORTS)}\n`;
    await writeFile(config, proxies + defaults + services.join(''));

    const relays = [];
    for (let index = 0; index < count; index += 1) {
      const gateway = await start(startGateway(backend.url, ['run', '--config', config]));
      relays.push(await start(startRelay(gateway.host)));
    }
    const options = relays.flatMap(({ host }) => ['--gateway', host]);
    const proxy = await start(startProxy(proxyName, ['--config', config, ...options]));
    const origin = `http://${proxy.host}`;
    const url = origin + PREFIXES[0];

    const ends = (client) => bothEnds(client, backend);
    return {
      backend,
      relays,
      origin,
      url,
      connect: (transport, { prefix = PREFIXES[0], ...rest } = {}) => (
        ends(openSession(origin + prefix, transport, rest))
      ),
      connectRaw: (rest) => ends(openWebSocket(`${url}/websocket`, [], rest)),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
