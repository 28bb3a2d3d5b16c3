/*
 * Single HTTP requests, for what sockjs-client does not do.
 */
import { request } from 'node:http';
import { within } from './deadline.js';

/**
 * Sends a request and resolves, when its answer begins, to
 *
 * - `status` and `headers`
 * - `lines`, an iterator over the body: nothing is read that is not asked for, but for a buffer
 * - `text()`, the whole body
 * - `abort()`
 *
 * or, with `answer: 'later'`, at once to `{ abort() }`.
 */
async function exchange(method, url, { headers = {}, body, answer } = {}) {
  const sent = request(url, { method, headers, agent: false });
  const response = new Promise((resolve, reject) => {
    sent.on('response', resolve);
    sent.on('error', reject);
  });
  response.catch(() => {});
  sent.end(body);
  if (answer === 'later') return { abort: () => sent.destroy() };
  const incoming = await within(response, `the answer to ${method} ${url}`);
  incoming.setEncoding('utf8');
  return {
    status: incoming.statusCode,
    headers: incoming.headers,
    lines: linesOf(incoming),
    async text() {
      let text = '';
      for await (const chunk of incoming) text += chunk;
      return text;
    },
    abort() {
      incoming.on('error', () => {}); // of aborting
      sent.destroy();
    },
  };
}

async function* linesOf(incoming) {
  let rest = '';
  const chunks = incoming[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await within(chunks.next(), 'the next part of a response');
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    yield* lines;
  }
  if (rest) yield rest;
}

export const get = (url, options) => exchange('GET', url, options);
export const post = (url, options) => exchange('POST', url, options);
