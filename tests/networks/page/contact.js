/*
 * What runs in the page: one contact of a user with a server, over a stock sockjs-client that was loaded before.
 *
 * `window.contact.talk(options)` opens, exchanges messages and measures round trips; `contact.rest(options)` then is
 * silent, and has more to say; `contact.leave(options)` closes. They resolve to facts, and never reject; verdicts are found
 * elsewhere.
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
    'c[3000,"Go away!"]\na["x"]\no',
    'a=b&d=["c"]+;d',
    '',
    'abcdefghij%<"é'.repeat(2_200),
    '0123456789 <é>"\\%'.repeat(5_600),
  ];
  // What a transport that brings messages as scripts must escape. Last of all: where it does not, nothing comes after.
  const MARKUP = ['</script><script>window.pwned = 1;</script>', '<!--<script>'];

  // Characters of messages sent one by one, each when the one before is back. Some proxies hold back the end of an answer
  // until more comes, when what came does not fill their buffers in a way they like; so lengths vary.
  const SINGLE = [3_500, 5_000, 9_000, 20_000, 3_500];
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

  async function talk({ url, options, openLimit, echoLimit, slowLimit }) {
    began = performance.now();
    closed = undefined;
    let opened;
    socket = new SockJS(url, null, options);
    socket.onopen = () => { opened = { at: now(), transport: socket.transport }; changed(); };
    socket.onmessage = ({ data }) => { received.push(data); changed(); };
    socket.onclose = ({ code, reason }) => { closed = { code, reason, at: now() }; changed(); };

    await until(() => opened, openLimit);
    const facts = { opened, singles: [], roundTrips: [] };
    if (opened) {
      facts.burst = await exchange(MESSAGES, echoLimit);
      const isWhole = () => facts.burst.received === MESSAGES.length && facts.burst.same;
      const isBack = async (message, echoes) => {
        if (!isWhole() || closed || facts.lost) return false;
        const echo = await exchange([message], echoLimit);
        echoes.push(echo.ms);
        if (echo.received !== 1 || !echo.same) facts.lost = { ...echo, length: message.length };
        return !facts.lost;
      };
      for (const length of SINGLE) {
        // One that was this late settles what is to be known.
        if (Math.max(...facts.singles) > slowLimit || !await isBack('x'.repeat(length), facts.singles)) break;
      }
      for (let ping = 0; ping < PINGS; ping += 1) {
        if (!await isBack(`ping ${ping}`, facts.roundTrips)) break;
      }
    } else {
      facts.gaveUpAt = now();
      socket.close();
    }
    facts.closed = closed;
    return facts;
  }

  async function rest({ quiet, echoLimit, markupLimit }) {
    const began = performance.now();
    await until(() => false, quiet);
    const facts = { quietFor: Math.round(performance.now() - began) };
    if (!closed) facts.echo = await exchange(['still there?'], echoLimit);
    facts.lost = closed;
    if (!closed) facts.markup = await exchange(MARKUP, markupLimit);
    return facts;
  }

  /** Resolves to whether the socket is closed in order. */
  async function leave({ closeLimit }) {
    if (!closed) socket.close();
    return until(() => closed, closeLimit);
  }

  window.contact = { talk, rest, leave };
}());
