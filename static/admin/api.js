/*
 * The gateway's admin API. Where it wants a token, the page asks for it and keeps it for this tab only.
 */

const TOKEN = 'sockjs-gateway-admin-token';

/** It answered that it will not, and why. */
export class Refused extends Error {
  constructor(status, message, mistakes = []) {
    super(message);
    this.status = status;
    this.mistakes = mistakes;
  }
}

export const setToken = (token) => sessionStorage.setItem(TOKEN, token);
export const forgetToken = () => sessionStorage.removeItem(TOKEN);

function request(path, options = {}) {
  const headers = { ...options.headers };
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(`api/v1/${path}`, { cache: 'no-store', ...options, headers });
}

async function refusal(response) {
  const body = await response.json().catch(() => ({}));
  const message = body.error ?? `the gateway answered ${response.status}`;
  return new Refused(response.status, message, body.mistakes);
}

async function answer(response) {
  if (!response.ok) throw await refusal(response);
  return response.json();
}

export const get = async (path, signal) => answer(await request(path, { signal }));

export const post = async (path, body = {}) => answer(await request(path, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
}));

/**
 * The server-sent events of a path. `EventSource` cannot send a token, so they are read here: `told(name, data)` is called for each,
 * and the promise resolves at their end.
 */
export async function events(path, signal, told) {
  const response = await request(path, { signal });
  if (!response.ok) throw await refusal(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    // One read after the other: that is what a stream is.
    // eslint-disable-next-line no-await-in-loop
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map((line) => {
        const at = line.indexOf(':');
        return [line.slice(0, at), line.slice(at + 1).trimStart()];
      }));
      if (fields.has('data')) told(fields.get('event') ?? 'message', JSON.parse(fields.get('data')));
    }
  }
}
