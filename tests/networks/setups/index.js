/*
 * Every network of the matrix, in the order of the table.
 *
 * A setup is `{ name, about, start, nodes?, needsCluster?, cutsFirstWebSocket?, needs? }`:
 *
 * - `start({ ports, folder })` puts the proxy in front of the servers on these ports of loopback, with what it writes in
 *   `folder`, and resolves to `{ baseUrl, browserProxy?, stop() }`. `browserProxy` is the `host:port` that the browser
 *   must send everything through.
 * - `nodes`: how many servers it needs; by default one. `needsCluster`: it gives the requests of one session to several
 *   of them. `cutsFirstWebSocket`: it ends every WebSocket at a certain age.
 * - `needs`: names of the program it runs, of which one must be installed; none, when it is ours
 */
import { APACHE } from './apache.js';
import { CADDY } from './caddy.js';
import { HAPROXY } from './haproxy.js';
import { HOSTILE } from './hostile.js';
import { NGINX } from './nginx.js';
import { SQUID } from './squid.js';
import { TINYPROXY } from './tinyproxy.js';
import { VARNISH } from './varnish.js';

const DIRECT = {
  name: 'direct',
  about: 'no proxy',
  async start({ ports }) {
    return { baseUrl: `http://127.0.0.1:${ports[0]}`, async stop() {} };
  },
};

export const SETUPS = [
  DIRECT, ...NGINX, ...HAPROXY, ...SQUID, ...TINYPROXY, ...VARNISH, ...APACHE, ...CADDY, ...HOSTILE,
];
