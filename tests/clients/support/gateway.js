/*
 * Starts the gateway on a free port: `sockjs-gateway --to URL`, or as the arguments say.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { within } from './deadline.js';

export const BINARY = process.env.GATEWAY
  ?? fileURLToPath(new URL('../../../target/debug/sockjs-gateway', import.meta.url));

/**
 * Resolves to a running gateway:
 *
 * - `url`, the service: `http://127.0.0.1:PORT/sockjs`
 * - `host`, its `127.0.0.1:PORT`
 * - `logged(text)` resolves when a log line, also one from before, contains `text`
 * - `memory(field)`, bytes of a field of `/proc/PID/status`, e.g. `VmRSS`
 * - `stop()`
 */
export async function startGateway(backend, command = ['--to', backend]) {
  if (!existsSync(BINARY)) {
    throw new Error(`there is no gateway at ${BINARY}: run cargo build, or set GATEWAY to its path`);
  }
  const gateway = spawn(BINARY, [...command, '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, RUST_LOG: 'info,sockjs_gateway=debug' },
  });
  const exited = once(gateway, 'exit');

  const log = [];
  let watchers = [];
  // Read to the end: a full pipe would block the gateway.
  createInterface({ input: gateway.stderr }).on('line', (line) => {
    log.push(line);
    watchers = watchers.filter(({ text, resolve }) => {
      if (line.includes(text)) resolve(line);
      return !line.includes(text);
    });
  });
  const logged = (text) => within(
    new Promise((resolve) => {
      const line = log.find((logLine) => logLine.includes(text));
      if (line) resolve(line);
      else watchers.push({ text, resolve });
    }),
    `a log line with ${JSON.stringify(text)}`,
  );

  async function stop() {
    if (gateway.exitCode !== null || gateway.signalCode !== null) return;
    gateway.kill('SIGTERM');
    const timer = setTimeout(() => gateway.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(timer);
  }

  const ended = exited.then(
    ([code, signal]) => { throw new Error(`the gateway exited with ${code ?? signal}:\n${log.join('\n')}`); },
  );
  try {
    const line = await Promise.race([logged('listening'), ended]);
    ended.catch(() => {});
    const host = /http:\/\/(127\.0\.0\.1:\d+)/.exec(line)[1];
    return {
      host,
      url: `http://${host}/sockjs`,
      logged,
      memory(field) {
        const status = readFileSync(`/proc/${gateway.pid}/status`, 'utf8');
        return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)[1]) * 1024;
      },
      stop,
    };
  } catch (error) {
    ended.catch(() => {});
    if (gateway.pid) await stop();
    throw error;
  }
}
