/*
 * Starts a proxy that is installed on this machine, in the foreground, on a port of loopback.
 */
import { findProgram, startProgram } from '../support/program.js';
import { freePort } from '../support/ports.js';

// A port can be taken by somebody else before the proxy has it.
const ATTEMPTS = 3;

// Proxies that give up root's rights would lose those to their folder.
export const isRoot = process.getuid?.() === 0;

/**
 * Resolves to `{ port, output(), stop() }`, once the proxy answers.
 *
 * - `programs`: its names, of which one must be installed
 * - `configure(port)` writes what it reads and resolves to its arguments
 * - `answers(port)` resolves to whether a request gets through it
 * - `env`, `orderly` as for `startProgram`
 */
export async function startInstalled(programs, { configure, answers, env, orderly }) {
  const path = findProgram(...programs);
  if (!path) throw new Error(`${programs.join(' or ')} is not installed: install it, or leave its setups out`);
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    try {
      const program = await startProgram(path, await configure(port), {
        env, orderly, answers: () => answers(port),
      });
      return { port, output: program.output, stop: program.stop };
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}
