/*
 * A gateway in front of a backend, and sessions with both their ends.
 */
import assert from 'node:assert/strict';
import { startBackend } from './backend.js';
import { openSession, openWebSocket } from './client.js';
import { startGateway } from './gateway.js';

/** Both ends of `client`: it, and its connection at `backend`. */
export async function bothEnds(client, backend) {
  await client.opened();
  // A stream that only receives is passed on to the backend after a second; one that sends, at once.
  client.send('hello');
  const connection = await backend.connections.next();
  assert.equal(await connection.messages.next(), 'hello');
  return { client, connection };
}

/** Resolves to `{ gateway, backend, connect(), connectRaw(), stop() }`. */
export async function startPair(backendOptions) {
  const backend = await startBackend(backendOptions);
  let gateway;
  try {
    gateway = await startGateway(backend.url);
  } catch (error) {
    await backend.stop();
    throw error;
  }

  const ends = (client) => bothEnds(client, backend);
  return {
    gateway,
    backend,
    /** `{ client, connection }` of a sockjs-client session. */
    connect: (transport, { query = '', ...options } = {}) => ends(
      openSession(gateway.url + query, transport, options),
    ),
    /** The same of a raw WebSocket. */
    connectRaw: ({ query = '', protocols, ...options } = {}) => ends(
      openWebSocket(`${gateway.url}/websocket${query}`, protocols, options),
    ),
    async stop() {
      await gateway.stop();
      await backend.stop();
    },
  };
}
