/*
 * Waiting for events, never longer than a deadline.
 */

/** For one event. Nothing here takes a second, except where a test says so. */
export const DEADLINE = 20_000;

/** What `promise` resolves to; rejects, saying `what` was awaited, after `milliseconds`. */
export async function within(promise, what, milliseconds = DEADLINE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The events of one kind, in order, to be taken one by one. */
export class Inbox {
  #what;
  #items = [];
  #waiting = [];

  constructor(what) {
    this.#what = what;
  }

  push(item) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(item);
    else this.#items.push(item);
  }

  /** How many came that nobody took. */
  get length() {
    return this.#items.length;
  }

  async next() {
    if (this.#items.length > 0) return this.#items.shift();
    return within(new Promise((resolve) => { this.#waiting.push(resolve); }), this.#what);
  }

  async take(count) {
    const items = [];
    while (items.length < count) items.push(await this.next());
    return items;
  }
}
