/*
 * One session with the doctor's backend, as promises: open, ask and get an answer, close. What the
 * backend understands: `e:TEXT` comes back, `p:COUNT:GAP` gives COUNT messages GAP ms apart, `u:…`
 * gives the size of the message, `d:BYTES` gives a message of that size.
 */
import { SockJSConnection } from './sockjs.js';
import { round, within } from './timing.js';

/** SockJSConnection's code for a transport that did not open in time. */
export const TIMED_OUT = 2007;

const seconds = (milliseconds) => Math.round(milliseconds / 1000);

/** The session ended, or never began. `code` as in SockJSConnection's close event. */
export class Ended extends Error {
  constructor({ code, reason, wasClean, cause, at }) {
    super(code === TIMED_OUT ? `did not open in ${seconds(at)} s` : reason || `closed with code ${code}`);
    this.name = 'Ended';
    this.code = code;
    this.at = round(at);
    /** The HTTP status that ended it, if one did. */
    this.status = cause?.status;
    /** How the WebSocket ended, if it was one. */
    this.socket = typeof CloseEvent === 'function' && cause instanceof CloseEvent
      ? { code: cause.code, reason: cause.reason, clean: cause.wasClean }
      : null;
    /** How the service ended the session in a frame of SockJS, if it did. */
    this.frame = wasClean && !this.socket ? { code, reason, clean: code !== 1002 } : null;
    // The service ends a session with 1002 when its connection broke; the browser may not notice.
    this.clean = this.socket?.clean ?? (code !== 1002 && code !== 1006 && code !== TIMED_OUT);
  }
}

export class Conversation {
  #connection;
  #listeners = new Set();

  /** Milliseconds until the first bytes of the first response were there; null where a browser hides it. */
  firstByte = null;

  /** Ended, once it is. */
  ended = null;

  /** The heads of responses so far: `{ purpose, status, headers, at }`. */
  responses = [];

  /**
   * `service` is the SockJS service's URL, `run` the path segment by which the server knows what
   * belongs to one check. `limit` in milliseconds, for the session to open.
   */
  constructor(service, run, transport, limit) {
    this.#connection = new SockJSConnection(service, { transport, server: run, timeout: limit });
    const on = (type, listener) => this.#connection.addEventListener(type, listener);
    on('response', ({ purpose, status, headers, at }) => {
      if (purpose === 'receive') this.firstByte ??= round(at);
      // A session of a minute has more responses than anybody asks for.
      if (this.responses.length < 20) this.responses.push({ purpose, status, headers, at });
    });
    on('message', ({ text }) => {
      const at = performance.now();
      for (const listener of [...this.#listeners]) listener.message(text, at);
    });
    on('close', (event) => {
      this.ended = new Ended(event);
      for (const listener of [...this.#listeners]) listener.ended(this.ended);
    });
    /** Resolves to the milliseconds it took to open, rejects with Ended. */
    this.opened = new Promise((resolve, reject) => {
      on('open', ({ at }) => resolve(round(at)));
      on('close', () => reject(this.ended));
    });
    /** Resolves to Ended. */
    this.closed = new Promise((resolve) => {
      on('close', () => resolve(this.ended));
    });
    // Not everybody waits for it to open.
    this.opened.catch(() => {});
  }

  /**
   * Sends `text` and resolves to `{ text, after }` of the first message that `matches`: when it came,
   * in milliseconds after the sending. Rejects with Ended, or with TimeLimit after `limit`
   * milliseconds.
   */
  async ask(text, matches, limit) {
    const [answer] = await this.collect(text, 1, matches, limit);
    return answer;
  }

  /** The same for `count` messages; `onmessage(after)` hears of each. */
  collect(text, count, matches, limit, onmessage = () => {}) {
    if (this.ended) return Promise.reject(this.ended);
    const answers = [];
    let listener;
    const complete = new Promise((resolve, reject) => {
      const sent = performance.now();
      listener = {
        message: (received, at) => {
          if (!matches(received)) return;
          answers.push({ text: received, after: round(at - sent) });
          onmessage(answers.at(-1).after);
          if (answers.length === count) resolve(answers);
        },
        ended: reject,
      };
      this.#listeners.add(listener);
      try {
        this.#connection.send(text);
      } catch (error) {
        reject(error);
      }
    });
    return within(limit, complete, `no answer in ${limit / 1000} s`)
      .finally(() => this.#listeners.delete(listener));
  }

  /** An echo; resolves to its round trip in milliseconds. */
  async echo(mark, limit) {
    const text = `e:${mark}`;
    return (await this.ask(text, (received) => received === text, limit)).after;
  }

  close() {
    this.#connection.close();
  }
}
