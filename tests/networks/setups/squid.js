/*
 * Squid as the forward proxy of a company: browsers send everything through it.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serves } from '../support/ports.js';
import { startInstalled } from './installed.js';

// Debian's access rules, but for who may use it; and nothing is cached or kept on disk.
const configuration = ({ port, connectPorts, more }) => `
http_port 127.0.0.1:${port}
acl SSL_ports port ${connectPorts}
acl Safe_ports port 80 21 443 70 210 280 488 591 777 1025-65535
acl CONNECT method CONNECT
http_access deny !Safe_ports
http_access deny CONNECT !SSL_ports
http_access allow localhost
http_access deny all
${more}
cache deny all
cache_mem 8 MB
memory_cache_shared off
access_log none
cache_log /dev/null
cache_store_log none
netdb_filename none
pid_filename none
pinger_enable off
max_filedescriptors 1024
shutdown_lifetime 0 seconds
`;

const setup = (name, about, { connectPorts = '443', more = '' } = {}) => ({
  name,
  about,
  needs: ['squid'],
  async start({ ports, folder }) {
    const baseUrl = `http://127.0.0.1:${ports[0]}`;
    const { port, ...proxy } = await startInstalled(['squid'], {
      async configure(chosen) {
        const file = join(folder, 'squid.conf');
        await writeFile(file, configuration({ port: chosen, connectPorts, more }));
        // Its shared memory has that name, and would be left behind.
        return ['-N', '-d', '1', '-n', `networks${chosen}`, '-f', file];
      },
      orderly: true,
      answers: (chosen) => serves(chosen, `${baseUrl}/echo`),
    });
    return { ...proxy, baseUrl, browserProxy: `127.0.0.1:${port}` };
  },
});

const ANY_PORT = '1-65535';

export const SQUID = [
  setup('squid-default', 'forward proxy, CONNECT to port 443 only, as Debian installs it'),
  setup('squid-open', 'forward proxy, CONNECT to any port', { connectPorts: ANY_PORT }),
  setup('squid-read5', 'forward proxy, CONNECT to any port, `read_timeout 5 seconds`', {
    connectPorts: ANY_PORT, more: 'read_timeout 5 seconds',
  }),
];
