/*
 * Apache httpd as a reverse proxy.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serves } from '../support/ports.js';
import { isRoot, startInstalled } from './installed.js';

const PROGRAMS = ['apache2', 'httpd'];

const MODULE_FOLDER = ['/usr/lib/apache2/modules', '/usr/lib64/httpd/modules', '/usr/lib/httpd/modules'].find(existsSync);

const configuration = ({ folder, port, server, upgrade, modules, more }) => `
ServerName 127.0.0.1
ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/apache.pid
Mutex file:${folder}
Listen 127.0.0.1:${port}
${['mpm_event', 'authz_core', 'proxy', 'proxy_http', ...modules]
    .map((name) => `LoadModule ${name}_module ${MODULE_FOLDER}/mod_${name}.so`).join('\n')}
${isRoot ? 'User nobody\nGroup nogroup' : ''}
ErrorLog "|/bin/cat"
LogLevel warn
ProxyPass / http://127.0.0.1:${server}/ ${upgrade ? 'upgrade=websocket' : ''}
${more}
`;

const setup = (name, about, { upgrade = false, modules = [], more = '' } = {}) => ({
  name,
  about,
  needs: PROGRAMS,
  async start({ ports, folder }) {
    const { port, ...proxy } = await startInstalled(PROGRAMS, {
      async configure(chosen) {
        const file = join(folder, 'apache.conf');
        await writeFile(file, configuration({ folder, port: chosen, server: ports[0], upgrade, modules, more }));
        return ['-D', 'FOREGROUND', '-f', file];
      },
      answers: (chosen) => serves(chosen, '/echo'),
    });
    return { ...proxy, baseUrl: `http://127.0.0.1:${port}` };
  },
});

export const APACHE = [
  setup('apache-default', '`ProxyPass` and nothing else'),
  setup('apache-ws', '`ProxyPass … upgrade=websocket`', { upgrade: true }),
  setup('apache-deflate', '`upgrade=websocket`, and mod_deflate for every type', {
    upgrade: true, modules: ['filter', 'deflate'], more: 'SetOutputFilter DEFLATE',
  }),
  setup('apache-t5', '`upgrade=websocket`, and `ProxyTimeout 5`', { upgrade: true, more: 'ProxyTimeout 5' }),
];
