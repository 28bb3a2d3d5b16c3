/*
 * What the tests call in a page that has loaded a stock sockjs-client. ES5, as the oldest client is.
 */
(function () {
  'use strict';

  // The client gives each transport a few round trips, measured at /info, to open. A busy test machine
  // needs more. 1.x asks this method, 0.3.x the option `rtt` below.
  if (SockJS.prototype.countRTO) {
    SockJS.prototype.countRTO = function () { return 5000; };
  }

  function connect(url, transport) {
    return new SockJS(url, null, {
      transports: [transport],
      protocols_whitelist: [transport],
      rtt: 5000
    });
  }

  function closed(event) {
    return { code: event.code, reason: event.reason };
  }

  /** Opens, and resolves once open. The connection is kept for the next calls. */
  window.openConnection = function (url, transport) {
    return new Promise(function (resolve, reject) {
      var socket = connect(url, transport);
      window.connection = socket;
      socket.onopen = function () { resolve(); };
      socket.onclose = function (event) {
        reject(new Error('closed before it was open: ' + event.code + ' ' + event.reason));
      };
    });
  };

  /** Sends the messages at once, and resolves to as many echoes. */
  window.echo = function (messages) {
    return new Promise(function (resolve, reject) {
      var echoes = [];
      connection.onmessage = function (event) {
        echoes.push(event.data);
        if (echoes.length === messages.length) resolve(echoes);
      };
      connection.onclose = function (event) {
        reject(new Error('closed after ' + echoes.length + ' of ' + messages.length + ' echoes: ' +
          event.code + ' ' + event.reason));
      };
      messages.forEach(function (message) { connection.send(message); });
    });
  };

  window.closeConnection = function () {
    return new Promise(function (resolve) {
      connection.onclose = function (event) { resolve(closed(event)); };
      connection.close();
    });
  };

  /** Opens, and resolves to the code and the reason that the service closes with. */
  window.awaitClose = function (url, transport) {
    return new Promise(function (resolve) {
      var events = [];
      var socket = connect(url, transport);
      socket.onopen = function () { events.push('open'); };
      socket.onclose = function (event) {
        events.push(closed(event));
        resolve(events);
      };
    });
  };
}());
