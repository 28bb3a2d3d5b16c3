/*
 * Waiting with limits, and what a tab in the background does to measured times.
 */

/** A wait that took longer than it may. */
export class TimeLimit extends Error {
  constructor(message) {
    super(message);
    this.name = 'TimeLimit';
  }
}

/** Milliseconds with one decimal: more than browsers' clocks tell, and short in a report. */
export const round = (milliseconds) => Math.round(milliseconds * 10) / 10;

/** `promise`, or a rejection with TimeLimit and `problem` after `limit` milliseconds. */
export function within(limit, promise, problem) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new TimeLimit(problem)), limit);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/** Resolves after `duration` milliseconds, or at once when `signal` is aborted. */
export function delay(duration, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, duration);
    signal?.addEventListener('abort', end);
  });
}

/** What went wrong with a request of fetch(), in words. `limit` is what it was given, in milliseconds. */
export function requestProblem(error, limit) {
  if (error instanceof TimeLimit) return error.message;
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return `no answer in ${limit / 1000} s`;
  return error.status ? error.message : `no answer (${error.message})`;
}

/**
 * Watches whether the page stays in front, where timers run on time, and keeps a phone's screen on.
 * `onchange(hidden)` is called whenever the page goes to the background or comes back.
 */
export function stayInFront(onchange) {
  let wasHidden = document.hidden;
  let lock = null;
  let stopped = false;

  async function keepScreenOn() {
    try {
      const granted = await navigator.wakeLock?.request('screen');
      if (stopped) granted?.release();
      else lock = granted;
    } catch {
      // Not in a secure context, or the battery is low: the user then keeps it on by hand.
    }
  }

  function look() {
    wasHidden ||= document.hidden;
    // The lock is lost in the background.
    if (!document.hidden) keepScreenOn();
    onchange(document.hidden);
  }

  document.addEventListener('visibilitychange', look);
  look();
  return {
    get wasHidden() { return wasHidden; },
    stop() {
      stopped = true;
      document.removeEventListener('visibilitychange', look);
      lock?.release();
    },
  };
}
