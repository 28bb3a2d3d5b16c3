/*
 * Varnish as a reverse proxy.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serves } from '../support/ports.js';
import { startInstalled } from './installed.js';

const setup = (name, about, rules) => ({
  name,
  about,
  needs: ['varnishd'],
  async start({ ports, folder }) {
    const { port, ...proxy } = await startInstalled(['varnishd'], {
      async configure(chosen) {
        const file = join(folder, 'varnish.vcl');
        await writeFile(file, `vcl 4.1;\nbackend default { .host = "127.0.0.1"; .port = "${ports[0]}"; }\n${rules}`);
        // Without a jail it needs no user of its own; without -T it would open a port to be controlled through.
        return ['-F', '-j', 'none', '-T', 'none', '-n', join(folder, 'varnish'), '-s', 'malloc,16m',
          '-a', `127.0.0.1:${chosen}`, '-f', file];
      },
      answers: (chosen) => serves(chosen, '/echo'),
    });
    return { ...proxy, baseUrl: `http://127.0.0.1:${port}` };
  },
});

// As the documentation of Varnish advises for WebSockets.
const PIPE = `
sub vcl_recv {
  if (req.http.upgrade ~ "(?i)websocket") { return (pipe); }
}
sub vcl_pipe {
  if (req.http.upgrade) {
    set bereq.http.upgrade = req.http.upgrade;
    set bereq.http.connection = req.http.connection;
  }
}
`;

export const VARNISH = [
  setup('varnish-default', 'no rules but the built-in ones', ''),
  setup('varnish-pipe', 'the built-in rules, and `pipe` for WebSockets', PIPE),
];
