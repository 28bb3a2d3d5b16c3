/*
 * The proxies that are installed here: how each is started in the foreground with a configuration that
 * `proxy-config` printed, in a folder of its own, and without what the machine has set up for it.
 *
 * Each has `files(folder, recipe, port)`, what to write besides the recipe, `check`, the arguments with which the
 * program checks its configuration, and `run`, those with which it serves. `noticesLate`: it learns that a browser is gone
 * only when it writes.
 */

const isRoot = process.getuid() === 0;

/** An Apache module of Debian's. */
const module = (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`;

export const PROGRAMS = {
  nginx: {
    binary: 'nginx',
    packages: 'nginx',
    recipe: 'sockjs.conf',
    // As a distribution's nginx.conf, with settings that would break the service.
    files: (folder) => ({
      'nginx.conf': `
daemon off;
pid ${folder}/nginx.pid;
error_log stderr;
worker_processes 1;
events { }
http {
  access_log off;
  gzip on;
  gzip_types *;
  gzip_proxied any;
  proxy_ignore_headers X-Accel-Buffering;
  proxy_read_timeout 1s;
  proxy_send_timeout 1s;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  include ${folder}/sockjs.conf;
}
`,
    }),
    check: (folder) => ['-t', '-c', `${folder}/nginx.conf`],
    run: (folder) => ['-c', `${folder}/nginx.conf`],
  },

  haproxy: {
    binary: 'haproxy',
    packages: 'haproxy',
    recipe: 'sockjs.cfg',
    // As a file to whose end the recipe goes, with settings that would break it.
    files: () => ({
      'haproxy.cfg': `
global
  maxconn 1000

defaults
  mode http
  option httpclose
  retry-on all-retryable-errors
  timeout tunnel 1s
  compression algo gzip
  compression type text/plain application/javascript text/event-stream
  timeout connect 1s
  timeout client 1s
  timeout server 1s
`,
    }),
    check: (folder) => ['-c', '-f', `${folder}/haproxy.cfg`, '-f', `${folder}/sockjs.cfg`],
    run: (folder) => ['-db', '-f', `${folder}/haproxy.cfg`, '-f', `${folder}/sockjs.cfg`],
  },

  caddy: {
    binary: 'caddy',
    packages: 'caddy',
    recipe: 'sockjs.caddy',
    files: (folder) => ({
      Caddyfile: `
{
  admin off
  grace_period 1s
}
import ${folder}/sockjs.caddy
`,
    }),
    check: (folder) => ['validate', '--adapter', 'caddyfile', '--config', `${folder}/Caddyfile`],
    run: (folder) => ['run', '--adapter', 'caddyfile', '--config', `${folder}/Caddyfile`],
  },

  apache: {
    binary: 'apache2',
    packages: 'apache2-bin',
    recipe: 'sockjs.conf',
    noticesLate: true,
    // As Debian's apache2.conf, with settings that would break the service.
    files: (folder) => ({
      'apache2.conf': `
ServerRoot ${folder}
PidFile ${folder}/apache.pid
ErrorLog ${folder}/error.log
DefaultRuntimeDir ${folder}
ServerName localhost
${isRoot ? 'User www-data\nGroup www-data' : ''}
${[
    'mpm_event', 'authz_core', 'env', 'deflate', 'filter', 'headers', 'reqtimeout', 'proxy', 'proxy_http',
    'proxy_balancer', 'lbmethod_byrequests', 'slotmem_shm',
  ].map(module).join('\n')}
RequestReadTimeout header=2-4,minrate=500 body=2,minrate=500
SetOutputFilter DEFLATE
Timeout 3
StartServers 1
ServerLimit 2
ThreadsPerChild 64
MaxRequestWorkers 128
Include ${folder}/sockjs.conf
`,
    }),
    check: (folder) => ['-t', '-f', `${folder}/apache2.conf`],
    run: (folder) => ['-DFOREGROUND', '-f', `${folder}/apache2.conf`],
  },
};
