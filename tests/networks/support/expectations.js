/*
 * Which contacts must work: those of a stock application, which takes whatever transport opens.
 */

/**
 * Whether the verdict of this contact, the first being 0, is as good as it must be. A transport asked for by name must
 * work where nothing is in its way, and shows what works elsewhere.
 */
export function isGoodEnough(verdict, { setup, server, transport, contact }) {
  if (verdict.kind === 'ERROR') return false;
  if (verdict.ok || server !== 'gateway' || setup.needsCluster) return true;
  if (transport === 'auto') return contact === 0 && isUnavoidable(verdict, setup);
  return setup.name !== 'direct';
}

/**
 * A network that cuts every WebSocket at a certain age looks like a good one until it did so once, and an unmodified
 * client does not come back.
 */
function isUnavoidable(verdict, setup) {
  return Boolean(setup.cutsFirstWebSocket) && verdict.kind === 'cut' && verdict.transport === 'websocket';
}
