/*
 * Everything between a browser and an echo: the servers, new ones each time, and the proxy of a setup before them.
 */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVERS } from '../servers/index.js';

// Of stacks that run; should this process end before they do.
const folders = new Set();
process.on('exit', () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/**
 * Starts it. With `logs`, a folder, what each program wrote is left there when it stops.
 *
 * Resolves to `{ baseUrl, browserProxy, stop() }`.
 */
export async function startStack(setup, serverName, { logs, label = setup.name } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'networks-'));
  folders.add(folder);
  const started = [];

  async function stop() {
    for (const [name, program] of started.reverse()) {
      await program.stop();
      const output = program.output?.();
      if (logs && output) {
        await mkdir(logs, { recursive: true });
        await writeFile(join(logs, `${label}.${name}.log`), output);
      }
    }
    await rm(folder, { recursive: true, force: true });
    folders.delete(folder);
  }

  try {
    const ports = [];
    for (let node = 0; node < (setup.nodes ?? 1); node += 1) {
      const server = await SERVERS[serverName].start(folder);
      started.push([`${serverName}${node || ''}`, server]);
      ports.push(server.port);
    }
    const proxy = await setup.start({ ports, folder });
    started.push(['proxy', proxy]);
    return { baseUrl: proxy.baseUrl, browserProxy: proxy.browserProxy, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
