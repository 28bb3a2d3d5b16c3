/*
 * Starts the gateway's demo (services /echo, /close and /broadcast, and the demo page) on a free port.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const BINARY = process.env.GATEWAY
  ?? fileURLToPath(new URL('../../../target/debug/sockjs-gateway', import.meta.url));

const START_TIMEOUT = 20_000;
const STOP_TIMEOUT = 10_000;

/** Resolves to `{ url, stop() }`; `url` is `http://127.0.0.1:PORT`. */
export async function startGateway() {
  if (!existsSync(BINARY)) {
    throw new Error(`there is no gateway at ${BINARY}: run cargo build, or set GATEWAY to its path`);
  }
  const gateway = spawn(BINARY, ['demo', '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(gateway, 'exit');

  async function stop() {
    const timer = setTimeout(() => gateway.kill('SIGKILL'), STOP_TIMEOUT);
    gateway.kill('SIGTERM');
    await exited;
    clearTimeout(timer);
  }

  const log = [];
  const url = new Promise((resolve, reject) => {
    const fail = (what) => reject(new Error(`${BINARY} demo ${what}; it wrote:\n${log.join('\n')}`));
    const timer = setTimeout(fail, START_TIMEOUT, `did not say where it listens in ${START_TIMEOUT} ms`);
    gateway.on('error', (error) => fail(`did not start: ${error.message}`));
    exited.then(([code, signal]) => fail(`exited with ${code ?? signal}`), () => {});
    // Read to the end, also after the address: a full pipe would block the gateway.
    createInterface({ input: gateway.stderr }).on('line', (line) => {
      log.push(line);
      const address = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
      if (line.includes('listening') && address) {
        clearTimeout(timer);
        resolve(address[0]);
      }
    });
    exited.finally(() => clearTimeout(timer));
  });
  try {
    return { url: await url, stop };
  } catch (error) {
    if (gateway.exitCode === null && gateway.pid) await stop();
    throw error;
  }
}
