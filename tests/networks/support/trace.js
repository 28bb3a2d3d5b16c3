/*
 * What a page does on the network, as lines, for whoever wants to know why a cell is as it is. Chromium only.
 */

const SHOWN_BYTES = 100;

const shown = (text) => {
  const line = JSON.stringify(text.slice(0, SHOWN_BYTES)).slice(1, -1);
  return text.length > SHOWN_BYTES ? `${line} … (${text.length})` : line;
};

/** Writes lines such as `   660 POST /echo/123/abcdefgh/xhr_streaming #14` with `write`; times are in ms since the call. */
export async function tracePage(page, write) {
  const network = await page.createCDPSession();
  await network.send('Network.enable');
  const began = performance.now();
  const ids = new Map();
  const idOf = (requestId) => {
    if (!ids.has(requestId)) ids.set(requestId, `#${ids.size + 1}`);
    return ids.get(requestId);
  };
  const on = (event, describe) => network.on(`Network.${event}`, (parameters) => {
    const time = String(Math.round(performance.now() - began)).padStart(6);
    write(`${time} ${idOf(parameters.requestId)} ${describe(parameters)}`);
  });
  const pathOf = (url) => (url.startsWith('data:') ? 'data:' : url.replace(/^\w+:\/\/[^/]+/, ''));

  on('requestWillBeSent', ({ request }) => `${request.method} ${pathOf(request.url)} ${shown(request.postData ?? '')}`);
  on('responseReceived', ({ response }) => `answered ${response.status}`);
  on('dataReceived', ({ dataLength }) => `${dataLength} bytes`);
  on('loadingFinished', () => 'ended');
  on('loadingFailed', ({ errorText, canceled }) => (canceled ? 'given up by the page' : `failed: ${errorText}`));
  on('webSocketCreated', ({ url }) => `WebSocket ${pathOf(url)}`);
  on('webSocketHandshakeResponseReceived', ({ response }) => `answered ${response.status}`);
  on('webSocketFrameReceived', ({ response }) => `received ${shown(response.payloadData)}`);
  on('webSocketFrameSent', ({ response }) => `sent ${shown(response.payloadData)}`);
  on('webSocketFrameError', ({ errorMessage }) => `failed: ${errorMessage}`);
  on('webSocketClosed', () => 'closed');
}
