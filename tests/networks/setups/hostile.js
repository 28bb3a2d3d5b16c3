/*
 * Networks that no configuration of a known proxy gives, but that users sit behind: made by the proxies in hostile/.
 */
import { startHttpProxy } from '../hostile/http_proxy.js';
import { startIdleProxy } from '../hostile/idle_proxy.js';
import { blocks, cutAfter, late, stream, whole } from '../hostile/relays.js';
import { cutTunnelAfter, killAfterFirstFrame, lateTunnel } from '../hostile/tunnels.js';

/** Numbers from 0 to 1 that look random and are the same in every run. */
function sequence(seed) {
  let state = seed;
  return () => {
    // The linear congruential generator of Numerical Recipes.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const http = (name, about, options, rest) => ({
  name,
  about,
  ...rest,
  async start({ ports }) {
    const { port, stop } = await startHttpProxy(ports, typeof options === 'function' ? options() : options);
    return { baseUrl: `http://127.0.0.1:${port}`, stop };
  },
});

const CLUSTER = { nodes: 2, needsCluster: true };

export const HOSTILE = [
  http('x-bufall', 'holds every answer until it is whole, strips Upgrade', { upgrades: 'strip', relay: whole() }),
  {
    name: 'x-idle3',
    about: 'drops any connection on which nothing moved for 3 s; passes Upgrade',
    async start({ ports }) {
      const { port, stop } = await startIdleProxy(ports[0], 3_000);
      return { baseUrl: `http://127.0.0.1:${port}`, stop };
    },
  },
  http('x-strip', 'strips Upgrade and Connection, streams otherwise', { upgrades: 'strip', relay: stream }),
  http('x-wskill', 'ends a WebSocket right after its first frame from the server, of whatever kind', {
    tunnel: killAfterFirstFrame,
  }),
  http('x-delay500', 'holds each request for up to 500 ms, which reorders them, and each part of an answer or a WebSocket '
    + 'for 500 ms', () => {
    const random = sequence(500);
    return { delay: () => random() * 500, relay: late(500), tunnel: lateTunnel(500) };
  }),
  http('x-rr', 'two servers, requests in strict alternation; passes Upgrade', {}, CLUSTER),
  http('x-rr-nows', 'two servers, requests in strict alternation, strips Upgrade', { upgrades: 'strip' }, CLUSTER),
  http('x-wshang', 'swallows the handshake of a WebSocket, streams otherwise', { upgrades: 'swallow' }),
  http('x-max6', 'cuts every answer and every WebSocket off 6 s after it began', {
    relay: cutAfter(6_000), tunnel: cutTunnelAfter(6_000),
  }, { cutsFirstWebSocket: true }),
  http('x-buf8k', 'passes full blocks of 8 KB only, the rest at the end; strips Upgrade', {
    upgrades: 'strip', relay: blocks(8192),
  }),
  http('x-buf504', 'holds every answer until it is whole, and answers 504 after 6 s; strips Upgrade', {
    upgrades: 'strip', relay: whole({ limit: 6_000 }),
  }),
  http('x-wshang-buf', 'swallows the handshake of a WebSocket, holds every answer until it is whole', {
    upgrades: 'swallow', relay: whole(),
  }),
];
