/*
 * How a hostile proxy carries bytes once a request for a WebSocket went on to the server. A tunnel gets the sockets of
 * both sides, and carries bytes and the end of each to the other. (Should one break, the proxy destroys the other.)
 */

/** Every byte as it comes. */
export function pipe(browserSide, serverSide) {
  browserSide.pipe(serverSide);
  serverSide.pipe(browserSide);
}

/** Every part `delay` milliseconds late, in both directions. */
export function lateTunnel(delay) {
  const carry = (from, to) => {
    const later = (action) => setTimeout(() => { if (!to.destroyed) action(); }, delay);
    from.on('data', (part) => later(() => to.write(part)));
    from.on('end', () => later(() => to.end()));
  };
  return (browserSide, serverSide) => {
    carry(browserSide, serverSide);
    carry(serverSide, browserSide);
  };
}

/** Everything cut off `limit` milliseconds after the server's first byte. */
export function cutTunnelAfter(limit) {
  return (browserSide, serverSide) => {
    serverSide.once('data', () => {
      const timer = setTimeout(() => browserSide.destroy(), limit);
      browserSide.on('close', () => clearTimeout(timer));
    });
    pipe(browserSide, serverSide);
  };
}

// Firefox does not show the page a frame that comes together with the end.
const FRAME_ALONE = 20;

const HEAD_END = Buffer.from('\r\n\r\n');

/** Bytes up to the end of the first WebSocket frame, or undefined while it is not whole. (RFC 6455 §5.2) */
function firstFrameEnd(bytes, start) {
  if (bytes.length < start + 2) return undefined;
  // A server's frames are not masked.
  const short = bytes[start + 1] & 0x7f;
  const lengthBytes = { 126: 2, 127: 8 }[short] ?? 0;
  if (bytes.length < start + 2 + lengthBytes) return undefined;
  const length = lengthBytes === 0
    ? short
    : Number(BigInt(`0x${bytes.subarray(start + 2, start + 2 + lengthBytes).toString('hex')}`));
  const end = start + 2 + lengthBytes + length;
  return bytes.length < end ? undefined : end;
}

/** Closed right after the server's first frame, of whatever kind. */
export function killAfterFirstFrame(browserSide, serverSide) {
  browserSide.pipe(serverSide);
  let bytes = Buffer.alloc(0);
  let passed = 0;
  let isOver = false;
  serverSide.on('data', (part) => {
    if (isOver) return;
    bytes = Buffer.concat([bytes, part]);
    const head = bytes.indexOf(HEAD_END);
    const end = head < 0 ? undefined : firstFrameEnd(bytes, head + HEAD_END.length);
    browserSide.write(bytes.subarray(passed, end));
    passed = end ?? bytes.length;
    if (end !== undefined) {
      isOver = true;
      // What the browser still sends is read: were it not, the frame could be lost in a reset.
      browserSide.unpipe(serverSide).resume();
      setTimeout(() => {
        browserSide.end();
        serverSide.end();
      }, FRAME_ALONE);
    }
  });
  serverSide.on('end', () => browserSide.end());
}
