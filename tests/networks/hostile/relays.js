/*
 * How a hostile proxy carries a server's answer to the browser.
 *
 * A relay gets `{ response, sent, answered, passedHead(answer, isDropped) }`: the answer to the browser, the request to
 * the server, a promise of the server's answer, and the arguments of `writeHead` that pass its head on.
 */

/** Every part as it comes, at once. */
export async function stream({ response, answered, passedHead }) {
  const answer = await answered;
  response.writeHead(...passedHead(answer));
  response.flushHeaders();
  answer.pipe(response);
  answer.on('error', () => response.destroy());
}

/** Nothing before the whole answer is there. After `limit` milliseconds without one, 504. */
export function whole({ limit = Infinity } = {}) {
  return async ({ response, sent, answered, passedHead }) => {
    let timer;
    if (limit < Infinity) {
      timer = setTimeout(() => {
        response.writeHead(504, { 'Content-Type': 'text/plain' }).end('Gateway Time-out\n');
        sent.destroy();
      }, limit);
      response.on('close', () => clearTimeout(timer));
    }
    const answer = await answered;
    const parts = [];
    answer.on('data', (part) => parts.push(part));
    answer.on('error', () => { if (!response.headersSent) response.destroy(); });
    answer.on('end', () => {
      clearTimeout(timer);
      if (response.headersSent) return;
      const body = Buffer.concat(parts);
      const [status, message, pairs] = passedHead(answer, (name) => name === 'content-length');
      const hasLength = status !== 204 && status !== 304;
      response.writeHead(status, message, [...pairs, ...(hasLength ? ['Content-Length', String(body.length)] : [])]);
      response.end(body);
    });
  };
}

/** Only full blocks of `size` bytes, the head with the first of them; the rest when the answer ends. */
export function blocks(size) {
  return async ({ response, answered, passedHead }) => {
    const answer = await answered;
    let held = Buffer.alloc(0);
    response.writeHead(...passedHead(answer));
    answer.on('data', (part) => {
      held = Buffer.concat([held, part]);
      const full = held.length - (held.length % size);
      if (full > 0) {
        response.write(held.subarray(0, full));
        held = held.subarray(full);
      }
    });
    answer.on('error', () => response.destroy());
    answer.on('end', () => response.end(held));
  };
}

/** The head, every part and the end `delay` milliseconds late. */
export function late(delay) {
  return async ({ response, answered, passedHead }) => {
    const answer = await answered;
    const later = (action) => setTimeout(() => { if (!response.destroyed) action(); }, delay);
    later(() => {
      response.writeHead(...passedHead(answer));
      response.flushHeaders();
    });
    answer.on('data', (part) => later(() => response.write(part)));
    answer.on('error', () => later(() => response.destroy()));
    answer.on('end', () => later(() => response.end()));
  };
}

/** As it comes, but cut off `limit` milliseconds after it began. */
export function cutAfter(limit) {
  return (exchange) => {
    exchange.answered.then(() => {
      const timer = setTimeout(() => exchange.response.destroy(), limit);
      exchange.response.on('close', () => clearTimeout(timer));
    });
    return stream(exchange);
  };
}
