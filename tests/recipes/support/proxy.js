/*
 * Starts a proxy with the configuration that `sockjs-gateway proxy-config` prints.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { within } from '../../clients/support/deadline.js';
import { BINARY } from '../../clients/support/gateway.js';
import { PROGRAMS } from './programs.js';

const execute = promisify(execFile);

// Servers are often only in root's search path.
const environment = (folder) => ({
  ...process.env,
  PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`,
  HOME: folder,
  XDG_CONFIG_HOME: folder,
  XDG_DATA_HOME: folder,
});

/** What `proxy-config` prints. */
export async function recipe(name, options) {
  const { stdout } = await execute(BINARY, ['proxy-config', name, ...options]);
  return stdout;
}

async function freePort() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether somebody accepts connections on `port`. */
function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => { socket.destroy(); resolve(true); });
    socket.on('error', () => resolve(false));
  });
}

/**
 * Resolves to `{ host, stop() }` of a proxy that listens, after its program found nothing wrong with what
 * `proxy-config NAME OPTIONS` printed.
 */
export async function startProxy(name, options) {
  const program = PROGRAMS[name];
  const folder = await mkdtemp(join(tmpdir(), `sockjs-${name}-`));
  await chmod(folder, 0o755); // Workers run as another user.
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const port = await freePort();
    const files = {
      ...program.files(folder),
      [program.recipe]: await recipe(name, [
        ...options, '--public-address', '127.0.0.1', '--public-port', String(port),
      ]),
    };
    for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
    const env = environment(folder);
    await execute(program.binary, program.check(folder), { env }).catch((error) => {
      const why = error.code === 'ENOENT'
        ? `${program.binary} is missing: install ${program.packages}`
        : `${name} refuses its configuration:\n${error.stderr}\n${files[program.recipe]}`;
      throw new Error(why);
    });
    const stop = await serve(program, folder, env, port);
    return {
      host: `127.0.0.1:${port}`,
      async stop() {
        await stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

// Should the test be ended, so are its proxies.
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGTERM')));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

async function serve(program, folder, env, port) {
  const child = spawn(program.binary, program.run(folder), { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  running.add(child);
  child.on('exit', () => running.delete(child));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => { output = (output + text).slice(-20_000); });
  }
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  async function stop() {
    if (!isRunning()) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(timer);
  }
  async function listening() {
    while (isRunning()) {
      if (await accepts(port)) return;
      await new Promise((again) => { setTimeout(again, 20); });
    }
    throw new Error(`${program.binary} ended:\n${output}`);
  }
  try {
    await within(listening(), `${program.binary} to listen`);
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}
