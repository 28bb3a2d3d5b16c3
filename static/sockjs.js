/*
 * A small SockJS client for looking at connections: it opens exactly the transport it is told to, and
 * reports every frame with its time. The demo page and the doctor use it. Applications should use
 * sockjs-client, which also supports old browsers.
 *
 *     const connection = new SockJSConnection('/echo', { transport: 'xhr-streaming' });
 *     connection.addEventListener('open', () => connection.send('hello'));
 *     connection.addEventListener('message', (event) => console.log(event.text));
 *
 * URLs, frames and carriers: sockjs-protocol. Iframe messages: see iframe.js.
 */

// Milliseconds a transport has to open, unless the caller says otherwise.
const OPEN_TIMEOUT = 10000;

// As in sockjs-client, so that a measurement here predicts what an application will see: /info is
// given 8 s, a poll by script 35 s (the service ends it with a heartbeat after 25 s).
const INFO_TIMEOUT = 8000;
const JSONP_TIMEOUT = 35000;

// Pauses after a response without a frame, see iframe.js.
const RETRY_PAUSE = 200;
const RETRY_LIMIT = 5;

const delay = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

const randomName = (length) => Array.from(
  crypto.getRandomValues(new Uint8Array(length)),
  (byte) => 'abcdefghijklmnopqrstuvwxyz012345'[byte % 32],
).join('');

const randomServer = () => Math.floor(Math.random() * 1000).toString().padStart(3, '0');

function hiddenIframe(src) {
  const iframe = document.createElement('iframe');
  iframe.hidden = true;
  iframe.title = 'SockJS transport';
  iframe.src = src;
  document.body.append(iframe);
  return iframe;
}

/** Registers `callback` as `_jp.<name>`, where the htmlfile and jsonp responses look for it. */
function exposeCallback(callback) {
  const name = `a${randomName(8)}`;
  window._jp = { ...window._jp, [name]: callback };
  return {
    path: `_jp.${name}`,
    remove() {
      delete window._jp[name];
    },
  };
}

// -------------------------------------------------------------------------------------------------
// Receiving over HTTP: one response. Each function passes its frames to `frame` and resolves when the
// response has ended in order; it rejects, with a sentence for the user, when the session cannot go on.

async function post(link, purpose, url, body, signal) {
  const response = await fetch(url, { method: 'POST', body, signal, credentials: 'include' });
  link.responded(purpose, response.status, response.headers);
  if (!response.ok) {
    throw Object.assign(new Error(`http status ${response.status}`), { status: response.status });
  }
  return response;
}

async function receiveXhr(link, frame, signal) {
  const response = await post(link, 'receive', link.url('/xhr'), null, signal);
  for (const line of (await response.text()).split('\n').filter(Boolean)) {
    frame(line);
  }
}

async function receiveXhrStreaming(link, frame, signal) {
  const response = await post(link, 'receive', link.url('/xhr_streaming'), null, signal);
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
    rest = lines.pop();
    lines.filter(Boolean).forEach(frame);
  }
}

function receiveEventSource(link, frame, signal) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(link.url('/eventsource'), { withCredentials: true });
    signal.addEventListener('abort', () => source.close());
    source.onopen = () => link.responded('receive');
    // The service escapes what an event cannot carry, and the escape character itself.
    source.onmessage = (event) => frame(event.data.replace(
      /%(25|0d|0a|00)/gi,
      (_, digits) => String.fromCharCode(parseInt(digits, 16)),
    ));
    source.onerror = () => {
      const refused = source.readyState === EventSource.CLOSED;
      source.close();
      if (refused) {
        reject(new Error('the event stream was refused'));
      } else {
        resolve();
      }
    };
  });
}

function receiveHtmlFile(link, frame, signal) {
  // The response sets document.domain; Firefox lets it call this page only if this page has done the
  // same. Browsers that no longer know the setter say so in their console and need nothing.
  try {
    document.domain = document.domain;
  } catch {
    // A sandboxed page may not; then the transport fails and says why.
  }
  return new Promise((resolve, reject) => {
    let started = false;
    const callback = exposeCallback({
      start() { started = true; },
      message: (text) => { if (!signal.aborted) frame(text); },
      stop: resolve,
    });
    const iframe = hiddenIframe(link.url('/htmlfile', { c: callback.path }));
    const remove = () => {
      callback.remove();
      // Not from within a script of that very iframe.
      setTimeout(() => iframe.remove(), 0);
    };
    signal.addEventListener('abort', remove);
    iframe.addEventListener('load', () => {
      remove();
      if (started) {
        resolve();
      } else {
        reject(new Error('the response was not an htmlfile page, or could not reach this one'));
      }
    });
  });
}

function receiveJsonp(link, frame, signal) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    let called = false;
    const callback = exposeCallback((text) => {
      called = true;
      if (!signal.aborted) frame(text);
    });
    let timer;
    const end = (problem) => {
      clearTimeout(timer);
      script.remove();
      // A script that arrives after its removal still runs, and calls.
      if (called) callback.remove();
      if (problem) reject(new Error(problem));
      else resolve();
    };
    timer = setTimeout(end, JSONP_TIMEOUT, 'the script did not arrive in 35 s');
    signal.addEventListener('abort', () => end());
    script.addEventListener('load', () => end(called ? '' : 'the script did not call back'));
    script.addEventListener('error', () => end('the script did not load'));
    script.src = link.url('/jsonp', { c: callback.path });
    document.head.append(script);
  });
}

const sendXhr = (link, body, signal) => post(link, 'send', link.url('/xhr_send'), body, signal);

const sendJsonp = (link, body, signal) => post(
  link,
  'send',
  link.url('/jsonp_send'),
  new URLSearchParams({ d: body }),
  signal,
);

// -------------------------------------------------------------------------------------------------
// Transports: functions that open a link and return `{ send(messages), close(code, reason) }`

/** One response after the other, and one request at a time that sends what has been queued. */
const overHttp = (receive, sendBatch = sendXhr) => (link) => {
  const { signal } = link;
  let queue = [];
  let sending = false;

  async function receiveAll() {
    let emptyResponses = 0;
    while (!signal.aborted) {
      emptyResponses += 1;
      await receive(link, (text) => {
        emptyResponses = 0;
        link.frame(text);
      }, signal);
      if (emptyResponses > RETRY_LIMIT) {
        throw new Error('the responses end without a frame');
      }
      if (emptyResponses > 0) {
        await delay(RETRY_PAUSE * 2 ** (emptyResponses - 1));
      }
    }
  }

  async function sendAll() {
    sending = true;
    while (queue.length > 0) {
      const body = JSON.stringify(queue);
      queue = [];
      link.sent(body);
      await sendBatch(link, body, signal);
    }
    sending = false;
  }

  receiveAll().catch((error) => link.failed(`Receiving failed: ${error.message}`, error));
  return {
    send(message) {
      queue.push(message);
      if (!sending) {
        sendAll().catch((error) => link.failed(`Sending failed: ${error.message}`, error));
      }
    },
    close() {},
  };
};

function openWebSocket(link) {
  const socket = new WebSocket(link.url('/websocket').replace(/^http/, 'ws'));
  socket.onopen = () => link.responded('receive');
  socket.onmessage = (event) => link.frame(event.data);
  socket.onclose = (event) => link.failed(`WebSocket closed with code ${event.code}`, event);
  return {
    send(message) {
      const text = JSON.stringify([message]);
      link.sent(text);
      socket.send(text);
    },
    close: () => socket.close(),
  };
}

/** `<base>/websocket`: messages without frames. The socket's own events are the session's. */
function openRawWebSocket(link) {
  const socket = new WebSocket(link.baseUrl('/websocket').replace(/^http/, 'ws'));
  let open = false;
  socket.onopen = () => {
    open = true;
    link.responded('receive');
    link.opened();
  };
  socket.onmessage = (event) => {
    link.logged('in', event.data);
    link.message(event.data);
  };
  socket.onclose = (event) => {
    if (open) link.closed(event.code, event.reason, event.wasClean);
    else link.failed(`WebSocket closed with code ${event.code}`, event);
  };
  return {
    send(message) {
      link.sent(message);
      socket.send(message);
    },
    close: (code, reason) => socket.close(code, reason),
  };
}

/** The page's side of the protocol that iframe.js explains. */
const overIframe = (transport) => (link) => {
  const windowId = randomName(8);
  const iframe = hiddenIframe(`${link.baseUrl('/iframe.html')}#${windowId}`);
  const { origin } = new URL(iframe.src);
  const post = (type, data = '') => iframe.contentWindow?.postMessage(
    JSON.stringify({ windowId, type, data }),
    origin,
  );

  function handleMessage(event) {
    if (event.source !== iframe.contentWindow || event.origin !== origin) return;
    let message;
    try {
      message = JSON.parse(event.data);
    } catch {
      // The iframe greets twice, once for clients older than JSON messages.
      return;
    }
    if (message.windowId !== windowId) return;
    if (message.type === 's') {
      post('s', JSON.stringify(['sockjs-gateway', transport, link.url(''), link.baseUrl('')]));
    } else if (message.type === 't') {
      link.frame(message.data);
    } else if (message.type === 'c') {
      link.failed(`The iframe reports: ${JSON.parse(message.data)[1]}`);
    }
  }

  window.addEventListener('message', handleMessage);
  link.signal.addEventListener('abort', () => {
    window.removeEventListener('message', handleMessage);
    iframe.remove();
  });
  return {
    send(message) {
      link.sent(JSON.stringify([message]));
      post('m', JSON.stringify(message));
    },
    close: () => post('c'),
  };
};

const OPENERS = {
  'websocket': openWebSocket,
  'raw-websocket': openRawWebSocket,
  'xhr-streaming': overHttp(receiveXhrStreaming),
  'eventsource': overHttp(receiveEventSource),
  'iframe-eventsource': overIframe('eventsource'),
  'htmlfile': overHttp(receiveHtmlFile),
  'iframe-htmlfile': overIframe('htmlfile'),
  'xhr-polling': overHttp(receiveXhr),
  'iframe-xhr-polling': overIframe('xhr-polling'),
  'jsonp-polling': overHttp(receiveJsonp, sendJsonp),
};

/** Every transport, in the order in which sockjs-client tries them; raw WebSocket is not one of its. */
export const TRANSPORTS = Object.keys(OPENERS);

const FALLBACKS = TRANSPORTS.filter((name) => name !== 'raw-websocket');

// -------------------------------------------------------------------------------------------------

/**
 * One connection. `url` is the service's (`/echo`), absolute or relative to the page.
 *
 * Options: `transport`, one of TRANSPORTS or `auto` (as sockjs-client: ask /info, then try one after
 * the other); `timeout` in milliseconds for a transport to open; `server`, the path segment before the
 * session's, by default three random digits; `onframe`, a listener for `frame`.
 *
 * Events, each with `at`, milliseconds since the constructor call:
 * - `attempt` `{ transport }`: a transport is being tried
 * - `response` `{ purpose: 'receive' | 'send', status, headers }`: the head of a response is there, or
 *   the answer to a WebSocket's handshake. Without status and headers where a browser hides them, and
 *   not at all for what arrives as a page or a script (htmlfile, jsonp, iframes)
 * - `failure` `{ transport, reason, cause }`: it did not open; with `auto` the next attempt follows
 * - `open` `{ transport }`
 * - `frame` `{ direction: 'in' | 'out', text }`: exactly what was transmitted
 * - `message` `{ text }`
 * - `close` `{ code, reason, wasClean, cause }`: once, after which nothing follows. `wasClean` tells a
 *   close that either end asked for from a broken connection (1006), a timeout (2007) and no connection
 *   at all (1002: /info, 2000: every transport).
 *
 * `cause` is what ended the transport, where that is known: a WebSocket's own close event, or an error,
 * which has the `status` of an HTTP response that was not 2xx.
 */
export class SockJSConnection extends EventTarget {
  #base;
  #server;
  #start = performance.now();
  #state = 'connecting';
  #attempt = null;
  #transport = null;

  constructor(url, {
    transport = 'auto', timeout = OPEN_TIMEOUT, server = randomServer(), onframe = null,
  } = {}) {
    super();
    if (transport !== 'auto' && !Object.hasOwn(OPENERS, transport)) {
      throw new TypeError(`unknown transport: ${transport}`);
    }
    this.#base = new URL(url, location.href);
    this.#server = server;
    if (onframe) this.addEventListener('frame', onframe);
    // Later, so that the caller can add listeners before the first event.
    queueMicrotask(() => {
      if (transport === 'auto') this.#connectByTrial();
      else this.#connect(transport, this.#base, timeout);
    });
  }

  /** `connecting`, `open` or `closed`. */
  get state() {
    return this.#state;
  }

  /** The name of the transport in use or being tried. */
  get transport() {
    return this.#transport;
  }

  send(message) {
    if (this.#state !== 'open') {
      throw new Error(`the connection is ${this.#state}`);
    }
    this.#attempt.carrier.send(String(message));
  }

  /** Closes; only raw WebSocket can tell the service the code and the reason. */
  close(code = 1000, reason = 'Normal closure') {
    this.#release(code, reason);
    this.#finish(code, reason, true);
  }

  async #connectByTrial() {
    const asked = performance.now();
    let restrictions;
    try {
      const response = await fetch(addressOf(this.#base, '/info', { t: Date.now() }), {
        signal: AbortSignal.timeout(INFO_TIMEOUT),
      });
      if (!response.ok) throw new Error(`http status ${response.status}`);
      restrictions = await response.json();
    } catch (error) {
      this.#finish(1002, `Cannot connect to server: ${error.message}`, false);
      return;
    }
    // sockjs-client grants a transport two or three retransmission timeouts, by this formula.
    const rtt = performance.now() - asked;
    const timeout = 3 * (rtt > 100 ? 4 * rtt : 300 + rtt);
    const base = restrictions.base_url ? new URL(restrictions.base_url, this.#base) : this.#base;
    for (const name of FALLBACKS) {
      if (this.#state === 'closed') return;
      if (name === 'websocket' && restrictions.websocket === false) continue;
      if (await this.#tryTransport(name, base, timeout) === null) return;
    }
    this.#finish(2000, 'All transports failed', false);
  }

  async #connect(name, base, timeout) {
    const problem = await this.#tryTransport(name, base, timeout);
    if (problem) this.#finish(problem.code, problem.reason, false, problem.cause);
  }

  /** Resolves to null once the connection is open or closed, or to why the transport did not open. */
  #tryTransport(name, base, timeout) {
    return new Promise((resolve) => {
      if (this.#state === 'closed') {
        resolve(null);
        return;
      }
      const abort = new AbortController();
      const attempt = { abort, carrier: null };
      const current = () => this.#attempt === attempt;
      const session = `/${this.#server}/${randomName(8)}`;

      const giveUp = (code, reason, cause) => {
        if (!current()) return;
        if (this.#state === 'open') {
          this.#finish(code, reason, false, cause);
          return;
        }
        // Before the release, whose abort settles the promise with null.
        resolve({ code, reason, cause });
        this.#release();
        this.#dispatch('failure', { transport: name, reason, cause });
      };
      const timer = setTimeout(giveUp, timeout, 2007, 'Transport timed out');
      abort.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve(null);
      });

      const link = {
        signal: abort.signal,
        url: (suffix, parameters) => addressOf(base, session + suffix, parameters),
        baseUrl: (suffix) => addressOf(base, suffix),
        opened: () => {
          if (!current()) return;
          clearTimeout(timer);
          this.#state = 'open';
          this.#dispatch('open', { transport: name });
          resolve(null);
        },
        message: (text) => { if (current()) this.#dispatch('message', { text }); },
        closed: (code, reason, wasClean) => { if (current()) this.#finish(code, reason, wasClean); },
        failed: (reason, cause) => giveUp(1006, reason, cause),
        responded: (purpose, status, headers) => {
          if (current()) this.#dispatch('response', { purpose, status, headers });
        },
        logged: (direction, text) => {
          if (current()) this.#dispatch('frame', { direction, text });
        },
        sent: (text) => link.logged('out', text),
        frame: (text) => {
          link.logged('in', text);
          if (current()) this.#handleFrame(text, link);
        },
      };

      this.#attempt = attempt;
      this.#transport = name;
      this.#dispatch('attempt', { transport: name });
      try {
        attempt.carrier = OPENERS[name](link);
      } catch (error) {
        giveUp(1006, error.message, error);
      }
    });
  }

  /** sockjs-protocol, frames: `o`, `h`, `a[...]` (also `m...`, one message), `c[code,"reason"]`. */
  #handleFrame(text, link) {
    const type = text.charAt(0);
    if (type === 'o') {
      if (this.#state === 'open') link.closed(1006, 'Server lost session', false);
      else link.opened();
      return;
    }
    if (type === 'h') return;
    let payload;
    try {
      payload = JSON.parse(text.slice(1));
    } catch {
      link.failed('The service sent a broken frame');
      return;
    }
    if (type === 'a') payload.forEach((message) => link.message(message));
    else if (type === 'm') link.message(payload);
    else if (type === 'c') link.closed(payload[0], payload[1], true);
  }

  /** Lets go of the current attempt. A code and a reason are for the service to see. */
  #release(code, reason) {
    const attempt = this.#attempt;
    this.#attempt = null;
    attempt?.carrier?.close(code, reason);
    attempt?.abort.abort();
  }

  #finish(code, reason, wasClean, cause) {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#release();
    this.#dispatch('close', { code, reason, wasClean, cause });
  }

  #dispatch(type, fields) {
    const at = performance.now() - this.#start;
    this.dispatchEvent(Object.assign(new Event(type), fields, { at }));
  }
}

/** `base` + `suffix`, keeping the query of `base`, and `parameters` added to it. */
function addressOf(base, suffix, parameters = {}) {
  const url = new URL(base);
  url.pathname = url.pathname.replace(/\/+$/, '') + suffix;
  for (const [name, value] of Object.entries(parameters)) {
    url.searchParams.set(name, value);
  }
  return url.href;
}
