/*
 * Starts the gateway on a free port: its demo (services /echo, /close and /broadcast, and the demo page), or what arguments say.
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

/**
 * Resolves to `{ url, log, stop() }`; `url` is `http://127.0.0.1:PORT`, or `https://…`, and `log` the lines that it has written so far.
 *
 * - `args`: of the program, for one that listens on 127.0.0.1
 * - `level`: of its log
 */
export async function startGateway({ args = ['demo', '--listen', '127.0.0.1:0'], level } = {}) {
  if (!existsSync(BINARY)) {
    throw new Error(`there is no gateway at ${BINARY}: run cargo build, or set GATEWAY to its path`);
  }
  const gateway = spawn(BINARY, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...(level && { RUST_LOG: `sockjs_gateway=${level}` }) },
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
    const fail = (what) => reject(new Error(`${BINARY} ${args[0]} ${what}; it wrote:\n${log.join('\n')}`));
    const timer = setTimeout(fail, START_TIMEOUT, `did not say where it listens in ${START_TIMEOUT} ms`);
    gateway.on('error', (error) => fail(`did not start: ${error.message}`));
    exited.then(([code, signal]) => fail(`exited with ${code ?? signal}`), () => {});
    // Read to the end, also after the address: a full pipe would block the gateway.
    createInterface({ input: gateway.stderr }).on('line', (line) => {
      log.push(line);
      const address = /https?:\/\/127\.0\.0\.1:\d+/.exec(line);
      if (line.includes('listening') && address) {
        clearTimeout(timer);
        resolve(address[0]);
      }
    });
    exited.finally(() => clearTimeout(timer));
  });
  try {
    return { url: await url, log, stop };
  } catch (error) {
    if (gateway.exitCode === null && gateway.pid) await stop();
    throw error;
  }
}
