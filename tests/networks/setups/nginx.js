/*
 * nginx as a reverse proxy, from what its documentation asks for to what most people have.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serves } from '../support/ports.js';
import { isRoot, startInstalled } from './installed.js';

const configuration = ({ folder, port, server, location, http = '' }) => `
daemon off;
${isRoot ? 'user root;' : ''}
pid ${folder}/nginx.pid;
error_log stderr;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path ${folder}/nginx-body;
  proxy_temp_path ${folder}/nginx-proxy;
  fastcgi_temp_path ${folder}/nginx-fastcgi;
  uwsgi_temp_path ${folder}/nginx-uwsgi;
  scgi_temp_path ${folder}/nginx-scgi;
  map $http_upgrade $connection_upgrade {
    default upgrade;
    ''      '';
  }
  ${http}
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${server};
      ${location}
    }
  }
}
`;

const setup = (name, about, directives) => ({
  name,
  about,
  needs: ['nginx'],
  async start({ ports, folder }) {
    const { port, ...proxy } = await startInstalled(['nginx'], {
      async configure(chosen) {
        const file = join(folder, 'nginx.conf');
        await writeFile(file, configuration({ folder, port: chosen, server: ports[0], ...directives }));
        return ['-p', folder, '-e', 'stderr', '-c', file];
      },
      answers: (chosen) => serves(chosen, '/echo'),
    });
    return { ...proxy, baseUrl: `http://127.0.0.1:${port}` };
  },
});

const HTTP_1_1 = 'proxy_http_version 1.1;';
const UPGRADE = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;';
const NO_UPGRADE = 'proxy_set_header Connection "";';
const FORWARDED = `proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;`;

export const NGINX = [
  setup('nginx-good', 'as its documentation advises: HTTP/1.1 to the server, Upgrade passed, buffering off, timeouts of an '
    + 'hour', {
    location: `${HTTP_1_1} ${UPGRADE} ${FORWARDED} proxy_buffering off; proxy_read_timeout 3600s; proxy_send_timeout 3600s;`,
  }),
  setup('nginx-default', '`proxy_pass` and nothing else: HTTP/1.0 to the server, no Upgrade, buffering on', { location: '' }),
  setup('nginx-noupg11', 'HTTP/1.1 to the server, no Upgrade, buffering on', { location: `${HTTP_1_1} ${NO_UPGRADE}` }),
  setup('nginx-buf-gzip', 'HTTP/1.1, Upgrade passed, buffering on, gzip for every type', {
    http: 'gzip on; gzip_types *; gzip_proxied any;',
    location: `${HTTP_1_1} ${UPGRADE}`,
  }),
  setup('nginx-read5s', 'HTTP/1.1, Upgrade passed, buffering off, `proxy_read_timeout 5s`', {
    location: `${HTTP_1_1} ${UPGRADE} proxy_buffering off; proxy_read_timeout 5s;`,
  }),
  setup('nginx-10-upg', 'Upgrade passed, but `proxy_http_version` left at 1.0', {
    location: 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";',
  }),
  setup('nginx-hardbuf', 'HTTP/1.1, no Upgrade, buffering on, `X-Accel-Buffering` ignored', {
    location: `${HTTP_1_1} ${NO_UPGRADE} proxy_ignore_headers X-Accel-Buffering;`,
  }),
  setup('nginx-buf-r5', '`proxy_pass` and `proxy_read_timeout 5s`: HTTP/1.0, no Upgrade, buffering on', {
    location: 'proxy_read_timeout 5s;',
  }),
];
