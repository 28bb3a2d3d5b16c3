// Echo by ws, with its defaults: raw WebSockets only. Prints its port.
const { WebSocketServer } = require('ws');

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, backlog: 4096, perMessageDeflate: false });
server.on('connection', (socket) => {
  socket.on('message', (message, binary) => socket.send(message, { binary }));
  socket.on('error', () => {});
});
server.on('listening', () => console.log(server.address().port));
