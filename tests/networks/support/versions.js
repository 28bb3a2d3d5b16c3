/*
 * What a run was made with.
 */
import { execFile } from 'node:child_process';
import { cpus, release, totalmem, type } from 'node:os';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { SERVERS } from '../servers/index.js';
import { findProgram } from './program.js';

const require = createRequire(import.meta.url);

// How each says its version, and where in that it stands.
const PROXIES = {
  nginx: { programs: ['nginx'], args: ['-v'], pattern: /nginx\/(\S+)/ },
  HAProxy: { programs: ['haproxy'], args: ['-v'], pattern: /version (\d[\d.]*)/ },
  Squid: { programs: ['squid'], args: ['-v'], pattern: /Version (\S+)/ },
  Tinyproxy: { programs: ['tinyproxy'], args: ['-v'], pattern: /tinyproxy (\S+)/ },
  Varnish: { programs: ['varnishd'], args: ['-V'], pattern: /varnish-(\S+)/ },
  Apache: { programs: ['apache2', 'httpd'], args: ['-v'], pattern: /Apache\/(\S+)/ },
  Caddy: { programs: ['caddy'], args: ['version'], pattern: /v?(\d\S+)/ },
};

async function proxyVersion({ programs, args, pattern }) {
  const path = findProgram(...programs);
  if (!path) return undefined;
  // Some say it on standard error, and some leave with a code that is not 0.
  const { stdout = '', stderr = '' } = await promisify(execFile)(path, args).catch((error) => error);
  return pattern.exec(`${stdout}${stderr}`)?.[1];
}

/** `{ gateway: 'sockjs-gateway 0.1.0', …, nginx: 'nginx 1.22.1', … }` of the servers named and the proxies installed. */
export async function findVersions(servers) {
  const versions = {};
  for (const server of servers) versions[server] = await SERVERS[server].version();
  versions.client = `sockjs-client ${require('sockjs-client/package.json').version}`;
  for (const [name, how] of Object.entries(PROXIES)) {
    const version = await proxyVersion(how);
    if (version) versions[name] = `${name} ${version}`;
  }
  versions.node = `Node ${process.versions.node}`;
  return versions;
}

/** `Linux 6.1.0, 2 processors, 23 GB`. */
export const machine = () => `${type()} ${release()}, ${cpus().length} processors, ${Math.round(totalmem() / 2 ** 30)} GB`;
