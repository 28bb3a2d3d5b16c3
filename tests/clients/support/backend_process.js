/*
 * The backend as a process of its own, to be killed: sends every message back.
 *
 * Imported, it exports `startBackendProcess`; forked, it is the process.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startBackend } from './backend.js';
import { within } from './deadline.js';

const PATH = fileURLToPath(import.meta.url);

/** Resolves to `{ url, kill() }`; `kill` is SIGKILL, and resolves when the process is gone. */
export async function startBackendProcess() {
  const child = fork(PATH, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const exited = once(child, 'exit');
  const [url] = await within(once(child, 'message'), 'the address of the backend process');
  return {
    url,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

if (process.argv[1] === PATH) {
  // Should the test be killed, so is its backend.
  process.on('disconnect', () => process.exit());
  const backend = await startBackend();
  backend.onConnection(({ socket }) => {
    socket.on('message', (data) => socket.send(data.toString()));
  });
  process.send(backend.url);
}
