/*
 * Stock sockjs-client, and WebSocket clients, as promises.
 */
import SockJS from 'sockjs-client';
import { WebSocket } from 'ws';
import { Inbox, within } from './deadline.js';

/** The transports that sockjs-client has in Node. */
export const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];

/**
 * A SockJS session over one transport: `opened()` and `closed()` (`{ code, reason, wasClean }`) wait for that,
 * `messages` is an `Inbox`.
 */
export function openSession(url, transport, options = {}) {
  const client = new SockJS(url, null, {
    transports: transport,
    // Of a transport to open; by default it gets 0.6 s, which a busy machine can exceed.
    timeout: 10_000,
    ...options,
  });
  const messages = new Inbox(`a message at the client on ${transport}`);
  const closed = new Promise((resolve) => {
    client.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean });
  });
  const opened = new Promise((resolve, reject) => {
    client.onopen = () => resolve(client.transport);
    closed.then(({ code, reason }) => reject(new Error(`${transport} closed with ${code} ${reason}`)));
  });
  opened.catch(() => {}); // A test may ask for `closed` only.
  client.onmessage = ({ data }) => messages.push(data);
  return {
    messages,
    opened: () => within(opened, `${transport} to open`),
    closed: () => within(closed, `${transport} to close`),
    send: (message) => client.send(message),
    close: (code, reason) => client.close(code, reason),
  };
}

/** A WebSocket client: as `openSession`, and `socket`, the `ws` one. `closed()` gives `{ code, reason }`. */
export function openWebSocket(url, protocols = [], options = {}) {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, options);
  const messages = new Inbox('a message at the WebSocket client');
  socket.on('message', (data, isBinary) => messages.push(isBinary ? data : data.toString()));
  const opened = new Promise((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  });
  opened.catch(() => {});
  const closed = new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  return {
    socket,
    messages,
    opened: () => within(opened, 'the WebSocket to open'),
    closed: () => within(closed, 'the WebSocket to close'),
    send: (message) => socket.send(message),
    close: (code, reason) => socket.close(code, reason),
  };
}
