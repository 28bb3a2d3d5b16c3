/*
 * The gateway under test: its echo service at /echo, open to every origin, everything else as shipped.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { execFile } from 'node:child_process';
import { startProgram } from '../support/program.js';

const BINARY = process.env.GATEWAY
  ?? fileURLToPath(new URL('../../../target/debug/sockjs-gateway', import.meta.url));

const CONFIGURATION = `listen = "127.0.0.1:0"

[[service]]
prefix = "/echo"
backend = "echo:"
origins = "*"
doctor = true
`;

function assertBuilt() {
  if (!existsSync(BINARY)) {
    throw new Error(`there is no gateway at ${BINARY}: run cargo build, or set GATEWAY to its path`);
  }
}

/** Resolves to `{ port, output(), stop() }`. `folder` is for what it needs on disk. */
export async function startGateway(folder) {
  assertBuilt();
  const file = join(folder, 'gateway.toml');
  await writeFile(file, CONFIGURATION);
  const { answer, ...gateway } = await startProgram(BINARY, ['run', '--config', file], {
    answers: (output) => /listening.*http:\/\/127\.0\.0\.1:(\d+)/.exec(output())?.[1],
  });
  return { ...gateway, port: Number(answer) };
}

/** What `--version` says, e.g. `sockjs-gateway 0.1.0`. */
export async function gatewayVersion() {
  assertBuilt();
  return (await promisify(execFile)(BINARY, ['--version'])).stdout.trim();
}
