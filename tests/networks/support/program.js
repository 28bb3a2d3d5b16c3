/*
 * Programs that run in the foreground until they are stopped: found, started, waited for, ended. Each has a process
 * group of its own, so that nothing it started outlives it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const OUTPUT_LIMIT = 1 << 20;

// Proxies are installed where only root looks by default.
const FOLDERS = [...process.env.PATH.split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];

// For one that has to put things away.
const ORDERLY_TIMEOUT = 3_000;

// Each with the signal that ends it.
const running = new Map();

function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

process.on('exit', () => running.forEach((signal, child) => killGroup(child, signal)));
for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15], ['SIGHUP', 1]]) {
  process.on(signal, () => process.exit(128 + number));
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path of the first of these programs that is installed, or undefined. */
export function findProgram(...names) {
  return names.flatMap((name) => FOLDERS.map((folder) => join(folder, name))).find(isExecutable);
}

/**
 * Starts a program. `answers` is called until it resolves to something true, which the promise then resolves to as
 * `answer`; should the program end before, or not answer in `timeout` ms, the promise is rejected with its output.
 * `orderly` is for a program that leaves things behind when it is killed.
 *
 * Resolves to `{ answer, output(), stop() }`.
 */
export async function startProgram(path, args, { env = {}, answers, orderly = false, timeout = 15_000 }) {
  const child = spawn(path, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    // Read to the end: a full pipe would block the program.
    stream.setEncoding('utf8').on('data', (text) => { output = (output + text).slice(-OUTPUT_LIMIT); });
  }
  const told = () => (output ? `it wrote:\n${output}` : 'it wrote nothing');

  let ending = null;
  const exited = new Promise((resolve) => {
    child.on('error', (error) => { ending = `did not start: ${error.message}`; resolve(); });
    child.on('exit', (code, signal) => { ending = `exited with ${code ?? signal}`; resolve(); });
  });
  if (child.pid) running.set(child, orderly ? 'SIGTERM' : 'SIGKILL');

  // At once: what it still holds is of no interest, and some take long to let go of connections.
  async function stop() {
    if (!child.pid) return;
    killGroup(child, orderly ? 'SIGTERM' : 'SIGKILL');
    const timer = setTimeout(() => killGroup(child, 'SIGKILL'), ORDERLY_TIMEOUT);
    await exited;
    clearTimeout(timer);
    killGroup(child, 'SIGKILL');
    running.delete(child);
  }

  try {
    const deadline = performance.now() + timeout;
    for (;;) {
      if (ending !== null) throw new Error(`${path} ${ending}; ${told()}`);
      const answer = await answers(() => output);
      if (answer) return { answer, output: () => output, stop };
      if (performance.now() > deadline) throw new Error(`${path} does not answer after ${timeout} ms; ${told()}`);
      await Promise.race([exited, once(AbortSignal.timeout(40), 'abort')]);
    }
  } catch (error) {
    await stop();
    throw error;
  }
}
