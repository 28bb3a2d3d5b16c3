/*
 * Tinyproxy as the forward proxy of a small network: browsers send everything through it.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serves } from '../support/ports.js';
import { startInstalled } from './installed.js';

// As Debian installs it, but for the paths.
const configuration = ({ port, timeout, more }) => `
Port ${port}
Listen 127.0.0.1
Timeout ${timeout}
LogLevel Warning
MaxClients 100
Allow 127.0.0.1
ViaProxyName "tinyproxy"
${more}
`;

const setup = (name, about, { timeout = 600, more = '' } = {}) => ({
  name,
  about,
  needs: ['tinyproxy'],
  async start({ ports, folder }) {
    const baseUrl = `http://127.0.0.1:${ports[0]}`;
    const { port, ...proxy } = await startInstalled(['tinyproxy'], {
      async configure(chosen) {
        const file = join(folder, 'tinyproxy.conf');
        await writeFile(file, configuration({ port: chosen, timeout, more }));
        return ['-d', '-c', file];
      },
      answers: (chosen) => serves(chosen, `${baseUrl}/echo`),
    });
    return { ...proxy, baseUrl, browserProxy: `127.0.0.1:${port}` };
  },
});

export const TINYPROXY = [
  setup('tinyproxy', 'forward proxy, as Debian installs it: CONNECT to any port'),
  setup('tinyproxy-443', 'forward proxy, `ConnectPort 443` only', { more: 'ConnectPort 443' }),
  setup('tinyproxy-t5', 'forward proxy, `Timeout 5`', { timeout: 5 }),
];
