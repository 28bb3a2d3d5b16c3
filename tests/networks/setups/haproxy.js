/*
 * HAProxy as a reverse proxy.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serves } from '../support/ports.js';
import { startInstalled } from './installed.js';

const configuration = ({ port, servers, timeouts, balance }) => `
global
  maxconn 500
defaults
  mode http
  timeout connect 5s
  ${Object.entries(timeouts).map(([name, time]) => `timeout ${name} ${time}`).join('\n  ')}
frontend browsers
  bind 127.0.0.1:${port}
  default_backend servers
backend servers
  balance ${balance}
  ${servers.map((server, index) => `server node${index} 127.0.0.1:${server}`).join('\n  ')}
`;

const setup = (name, about, timeouts, { balance = 'roundrobin', ...rest } = {}) => ({
  name,
  about,
  needs: ['haproxy'],
  ...rest,
  async start({ ports, folder }) {
    const { port, ...proxy } = await startInstalled(['haproxy'], {
      async configure(chosen) {
        const file = join(folder, 'haproxy.cfg');
        await writeFile(file, configuration({ port: chosen, servers: ports, timeouts, balance }));
        return ['-db', '-f', file];
      },
      answers: (chosen) => serves(chosen, '/echo'),
    });
    return { ...proxy, baseUrl: `http://127.0.0.1:${port}` };
  },
});

const LONG = { client: '1h', server: '1h', tunnel: '1h' };

export const HAPROXY = [
  setup('haproxy-good', 'timeouts of an hour', LONG),
  setup('haproxy-tunnel3', '`timeout tunnel 3s`, client and server 60 s', { client: '60s', server: '60s', tunnel: '3s' }),
  setup('haproxy-server3', '`timeout server 3s`, client 60 s, no tunnel timeout', { client: '60s', server: '3s' }),
  setup('haproxy-client3', '`timeout client 3s`, server 60 s, no tunnel timeout', { client: '3s', server: '60s' }),
  setup('haproxy-rr', 'two servers, `balance roundrobin`, nothing sticky', LONG, { nodes: 2, needsCluster: true }),
  setup('haproxy-uri3', 'two servers, `balance uri depth 3`: by prefix, server and session of the URL', LONG, {
    nodes: 2, balance: 'uri depth 3',
  }),
];
