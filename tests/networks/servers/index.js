/*
 * The servers that the networks are tried with, by the names they have in tables.
 */
import { gatewayVersion, startGateway } from './gateway.js';
import { sockjsNodeVersion, startSockjsNode } from './sockjs_node.js';

export const SERVERS = {
  'gateway': { start: startGateway, version: gatewayVersion },
  'sockjs-node': { start: startSockjsNode, version: sockjsNodeVersion },
};
