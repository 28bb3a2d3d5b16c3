/*
 * What runs in the page: one contact of a user with a server, over a stock sockjs-client that was loaded before.
 *
 * `window.contact.talk(options)` opens, exchanges messages and measures round trips; `contact.rest(options)` then is
 * silent, says one more thing and closes. Both resolve to facts (never reject); verdicts are found elsewhere.
 */
(function () {
  'use strict';

  // Each has broken some transport of some SockJS server. Sent at once, so that they share frames.
  const MESSAGES = [
    'Ünïcödé, Ελληνικά, 日本語, 🛰️ \u{10FFFF}',
    'a\u0000b',
    Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join('') + '\u007f\u0080\u009f\u2028\u2029\ufeff',
    '%41 100% %0A %0D%0A %25 %',
    '"\'`\\ \\" \\\' \\u0041 ${1}',
    '</script><script>window.pwned = 1;</script>',
    '<!--<script>',
    'c[3000,"Go away!"]\na["x"]\no',
    'a=b&d=["c"]+;d',
    '',
    'abcdefghij%<"é'.repeat(2_200),
    '0123456789 <é>"\\%'.repeat(5_600),
  ];
  const PINGS = 5;

  let socket;
  let began;
  let closed;
  let received = [];
  let changed = function () {};

  const now = () => Math.round(performance.now() - began);

  /** Resolves to whether `condition` became true within so many milliseconds; false at once when the socket is closed. */
  function until(condition, milliseconds) {
    return new Promise((resolve) => {
      const finish = (result) => {
        clearTimeout(timer);
        changed = function () {};
        resolve(result);
      };
      const look = () => {
        if (condition()) finish(true);
        else if (closed) finish(false);
      };
      const timer = setTimeout(() => finish(condition()), milliseconds);
      changed = look;
      look();
    });
  }

  /** Sends the messages at once and waits for as many echoes: `{ ms, received, same }`. */
  async function exchange(messages, milliseconds) {
    received = [];
    const start = performance.now();
    messages.forEach((message) => socket.send(message));
    // One that differs will not become right by waiting.
    const isWrong = () => received.some((message, index) => message !== messages[index]);
    await until(() => received.length >= messages.length || isWrong(), milliseconds);
    return {
      ms: Math.round(performance.now() - start),
      expected: messages.length,
      received: received.length,
      same: !isWrong(),
    };
  }

  async function talk({ url, options, openLimit, echoLimit }) {
    began = performance.now();
    closed = undefined;
    let opened;
    socket = new SockJS(url, null, options);
    socket.onopen = () => { opened = { at: now(), transport: socket.transport }; changed(); };
    socket.onmessage = ({ data }) => { received.push(data); changed(); };
    socket.onclose = ({ code, reason }) => { closed = { code, reason, at: now() }; changed(); };

    await until(() => opened, openLimit);
    const facts = { opened, roundTrips: [] };
    if (opened) {
      facts.burst = await exchange(MESSAGES, echoLimit);
      const isWhole = () => facts.burst.received === MESSAGES.length && facts.burst.same;
      for (let ping = 0; ping < PINGS && isWhole() && !closed; ping += 1) {
        const echo = await exchange([`ping ${ping}`], echoLimit);
        if (echo.received !== 1 || !echo.same) {
          facts.lostPing = ping;
          break;
        }
        facts.roundTrips.push(echo.ms);
      }
    } else {
      facts.gaveUpAt = now();
      socket.close();
    }
    facts.closed = closed;
    return facts;
  }

  async function rest({ quiet, echoLimit, closeLimit }) {
    const began = performance.now();
    await until(() => false, quiet);
    const facts = { quietFor: Math.round(performance.now() - began) };
    if (!closed) facts.echo = await exchange(['still there?'], echoLimit);
    facts.lost = closed;
    if (!closed) {
      socket.close();
      facts.closes = await until(() => closed, closeLimit);
    }
    return facts;
  }

  window.contact = { talk, rest };
}());
