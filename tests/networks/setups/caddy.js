/*
 * Caddy as a reverse proxy.
 */
import { writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { serves } from '../support/ports.js';
import { startInstalled } from './installed.js';

/** Whether https answers; with whatever certificate, since the authority is the proxy's own. */
const servesTls = (port) => new Promise((resolve) => {
  const request = get({
    host: '127.0.0.1', port, path: '/echo', agent: false, rejectUnauthorized: false,
  }, (response) => {
    response.on('end', () => resolve(response.statusCode === 200));
    response.resume();
  });
  request.on('error', () => resolve(false));
});

const setup = (name, about, { scheme = 'http', directives = '' } = {}) => ({
  name,
  about,
  needs: ['caddy'],
  async start({ ports, folder }) {
    const { port, ...proxy } = await startInstalled(['caddy'], {
      // Where it would keep certificates, and what it last ran.
      env: { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder },
      async configure(chosen) {
        const file = join(folder, 'Caddyfile');
        await writeFile(file, `{
  admin off
  auto_https disable_redirects
  skip_install_trust
  servers {
    protocols h1 h2
  }
}
${scheme}://127.0.0.1:${chosen} {
  bind 127.0.0.1
  ${scheme === 'https' ? 'tls internal' : ''}
  ${directives}
  reverse_proxy 127.0.0.1:${ports[0]}
}
`);
        return ['run', '--config', file, '--adapter', 'caddyfile'];
      },
      answers: (chosen) => (scheme === 'https' ? servesTls(chosen) : serves(chosen, '/echo')),
    });
    return { ...proxy, baseUrl: `${scheme}://127.0.0.1:${port}` };
  },
});

export const CADDY = [
  setup('caddy', '`reverse_proxy` and nothing else'),
  setup('caddy-gzip', '`reverse_proxy` and `encode gzip`', { directives: 'encode gzip' }),
  setup('caddy-tls-h2', 'TLS, and HTTP/2 to the browser', { scheme: 'https' }),
];
