// Echo and broadcast by sockjs-node, with its defaults. Prints its port.
const http = require('http');
const sockjs = require('sockjs');

const quiet = { log() {}, response_limit: 128 * 1024 };
const echo = sockjs.createServer(quiet);
echo.on('connection', (connection) => connection.on('data', (message) => connection.write(message)));

const everybody = new Set();
const broadcast = sockjs.createServer(quiet);
broadcast.on('connection', (connection) => {
  everybody.add(connection);
  connection.on('data', (message) => everybody.forEach((other) => other.write(message)));
  connection.on('close', () => everybody.delete(connection));
});

const server = http.createServer();
server.keepAliveTimeout = 60_000;
echo.installHandlers(server, { prefix: '/echo' });
broadcast.installHandlers(server, { prefix: '/broadcast' });
server.listen(0, '127.0.0.1', 4096, () => console.log(server.address().port));
