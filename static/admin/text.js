/*
 * Numbers, times and sizes as people read them.
 */

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** `12,345` */
export const count = (value) => grouped.format(value ?? 0);

/** `3.4`, `120`, `1.2k` per second */
export function rate(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (value >= 10_000) return `${(value / 1000).toFixed(value >= 100_000 ? 0 : 1)}k`;
  if (value >= 100 || value === 0) return count(value);
  return value.toFixed(1);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `17 B`, `1.5 KiB` */
export function size(bytes) {
  let value = bytes ?? 0;
  let unit = 0;
  while (value >= 1024 && unit + 1 < UNITS.length) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** `7 s`, `12 min`, `4 h 12 min`, `3 d 4 h` */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  const whole = Math.floor(seconds);
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600) % 24;
  const days = Math.floor(whole / 86_400);
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min ${whole % 60} s`;
  return `${whole} s`;
}

/** The first digits of a session's id. */
export const short = (id) => id.slice(0, 8);

/** What ends are called, in words. */
export const CAUSES = {
  backend: 'the backend closed it',
  browser: 'the browser closed it',
  interrupted: 'the connection was cut off, or the page left',
  expired: 'the browser did not come back',
  unresponsive: 'the browser did not answer',
  violation: 'the browser broke a rule',
  overload: 'a limit was reached',
  shutdown: 'the gateway drained or stopped',
  identity: 'the token expired',
  operator: 'an operator ended it',
};

export const STATES = {
  opening: ['note', 'opening'],
  receiving: ['good', 'receiving'],
  waiting: ['note', 'waiting'],
  closing: ['bad', 'closing'],
};
