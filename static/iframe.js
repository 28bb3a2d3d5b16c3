/*
 * The script of the SockJS iframe page.
 *
 * A page on another origin cannot use every transport itself, so sockjs-client opens a hidden iframe
 * of the service's own origin and lets the iframe carry the frames. This script is the iframe's side
 * of that arrangement, for whatever sockjs-client the page has loaded, 0.3.4 to 1.6.x:
 *
 *     page (sockjs-client)                     iframe (this script)
 *       <base>/iframe.html#<window id>   -->     loads
 *                                        <--     's'  script is ready
 *       's'  [version, transport, url, base] ->  starts to receive
 *                                        <--     't'  a SockJS frame, as the service sent it
 *       'm'  a message, JSON-quoted      -->     queued for xhr_send
 *       'c'  close                       -->     aborts what is under way
 *                                        <--     'c'  [code, reason]: the transport has failed
 *
 * Written in ES5: browsers without CORS are why this page exists. No eval, nothing but `SockJS` and
 * (while htmlfile runs) `_jp` on the window, and no request to any address outside the service.
 */
(function () {
  'use strict';

  // Milliseconds between two sends. It lets the next poll leave before the next message does, or a
  // page that answers every message could starve itself of polls on a slow network.
  var SEND_PAUSE = 25;

  // Characters of one xhr_send body (one message may be larger). Joining a long backlog without a
  // limit would build a body that the service refuses although it takes each message.
  var SEND_BATCH = 65536;

  // A response that ended without a frame is asked for again after a pause, which doubles each time:
  // at once would be a request storm. After this many retries (6.2 s) the transport fails, since the
  // service has forgotten the session by then (5 s).
  var RETRY_PAUSE = 200;
  var RETRY_LIMIT = 5;

  // Milliseconds to wait for the first script of an htmlfile response.
  var HTMLFILE_TIMEOUT = 15000;

  // Milliseconds to wait for /info, as in sockjs-client.
  var INFO_TIMEOUT = 8000;

  function ignore() {}

  // ---------------------------------------------------------------------------------------------
  // Dialects: how a message of the iframe protocol is written

  // sockjs-client 1.x: `{"windowId":"abcdefgh","type":"t","data":"a[...]"}`.
  var JSON_DIALECT = {
    encode: function (windowId, type, data) {
      return JSON.stringify({ windowId: windowId, type: type, data: data });
    },
    decode: function (windowId, text) {
      var message;
      try {
        message = JSON.parse(text);
      } catch (notJson) {
        return null;
      }
      return message && message.windowId === windowId ? message : null;
    },
    // The page gives the full address of /info and expects the answer as it is.
    infoPath: /^\/info$/,
    infoFrame: function (answer) {
      return answer;
    },
    closed: function (code, reason) {
      return { type: 'c', data: JSON.stringify([code, reason]) };
    }
  };

  // sockjs-client 0.3.x: window id, one letter and the data, joined: `abcdefghta[...]`.
  var BARE_DIALECT = {
    encode: function (windowId, type, data) {
      return windowId + type + data;
    },
    decode: function (windowId, text) {
      var length = windowId.length;
      if (text.slice(0, length) !== windowId) {
        return null;
      }
      return { type: text.charAt(length), data: text.slice(length + 1) };
    },
    // The page gives the base address and expects the answer as an `m` frame.
    infoPath: /^\/?$/,
    infoFrame: function (answer) {
      return 'm' + answer;
    },
    // There is no 'c' towards the page: a failure travels as a close frame.
    closed: function (code, reason) {
      return { type: 't', data: 'c' + JSON.stringify([code, reason]) };
    }
  };

  // Until the page has spoken, the dialect is unknown. Each version ignores the other's messages:
  // 1.x cannot parse `abcdefghs` as JSON, 0.3.x finds another window id in `{"window`.
  var DIALECTS = [JSON_DIALECT, BARE_DIALECT];

  // ---------------------------------------------------------------------------------------------
  // Addresses

  // The page at <base>/iframe.html serves <base>, and nothing else of this origin.
  var BASE_PATH = location.pathname.replace(/\/[^\/]*$/, '');
  var BASE = /^\/?$/;
  var SESSION = /^\/[^\/.]+\/[^\/.]+$/;

  /**
   * The address `url` as `{ path, query }`, or null unless it is `<base>` followed by something that
   * `rest` matches.
   *
   * sockjs-client only compares origins here, and appends `/xhr` to the text. Whoever may embed the
   * page could then have any address of this origin requested with the user's cookies, and read the
   * answer: `http://host/private#` is enough. So the path is checked, and the request address is
   * rebuilt from the checked parts.
   */
  function ownAddress(url, rest) {
    var link = document.createElement('a');
    var path;
    if (!/^https?:\/\//i.test(url)) {
      return null;
    }
    link.href = url;
    // Internet Explorer omits the leading slash, and writes the default port out.
    path = link.pathname.charAt(0) === '/' ? link.pathname : '/' + link.pathname;
    if (link.protocol !== location.protocol ||
        hostOf(link) !== hostOf(location) ||
        path.slice(0, BASE_PATH.length) !== BASE_PATH ||
        !rest.test(path.slice(BASE_PATH.length)) ||
        link.hash) {
      return null;
    }
    return { path: path, query: link.search };
  }

  function hostOf(place) {
    return place.host.replace(place.protocol === 'https:' ? /:443$/ : /:80$/, '');
  }

  /** The absolute URL of `address` + `suffix`, keeping the page's query and adding `parameter`. */
  function requestUrl(address, suffix, parameter) {
    var query = address.query;
    if (parameter) {
      query += (query ? '&' : '?') + parameter;
    }
    return location.protocol + '//' + location.host + address.path + suffix + query;
  }

  /** For requests that an old browser would answer from its cache, even a POST. */
  function uncached() {
    return 't=' + new Date().getTime();
  }

  // ---------------------------------------------------------------------------------------------
  // Requests

  /** Calls `ended(status, text)` once, with status 0 for a failed request. Returns the abort. */
  function request(method, url, body, ended) {
    var xhr = new XMLHttpRequest();
    function abort() {
      xhr.onreadystatechange = ignore;
      xhr.abort();
    }
    xhr.open(method, url, true);
    if (body !== null) {
      xhr.setRequestHeader('Content-Type', 'text/plain');
    }
    xhr.onreadystatechange = function () {
      if (xhr.readyState === 4) {
        xhr.onreadystatechange = ignore;
        // Internet Explorer reports 204 as 1223.
        ended(xhr.status === 1223 ? 204 : xhr.status, xhr.responseText);
      }
    };
    xhr.send(body);
    return abort;
  }

  // ---------------------------------------------------------------------------------------------
  // Receivers: each takes one response, calls `frame(text)` per frame and then once, and never from
  // within its own call, `ended(again)`: whether the next response is worth asking for. Each returns
  // its abort, after which it calls nothing.

  // `again` is false for every status but 200, as in sockjs-client: the session is over, or the
  // transport does not work here.
  function receiveXhr(address, frame, ended) {
    return request('POST', requestUrl(address, '/xhr', uncached()), null, function (status, text) {
      var lines;
      var i;
      if (status === 200) {
        lines = text.split('\n');
        // What follows the last line feed is an incomplete frame, normally the empty string.
        for (i = 0; i < lines.length - 1; i += 1) {
          if (lines[i]) {
            frame(lines[i]);
          }
        }
      }
      ended(status === 200);
    });
  }

  function receiveEventSource(address, frame, ended) {
    var source = new EventSource(requestUrl(address, '/eventsource'));
    function stop() {
      source.onmessage = source.onerror = null;
      source.close();
    }
    source.onmessage = function (event) {
      frame(decodeData(event.data));
    };
    // An ended response is an error to EventSource, which would reconnect by itself in some seconds.
    // CLOSED tells a refusal (status, content type) from an end.
    source.onerror = function () {
      var refused = source.readyState === 2;
      stop();
      ended(!refused);
    };
    return stop;
  }

  /**
   * Undoes the service's escaping of `%`, CR, LF and NUL in an event's data. Anything else stays as
   * it is: decodeURI would throw at the first stray `%`.
   */
  function decodeData(text) {
    return text.replace(/%(25|0d|0a|00)/gi, function (escape, digits) {
      return String.fromCharCode(parseInt(digits, 16));
    });
  }

  // The response is a page that loads for ever, in an iframe of its own. Its scripts call start,
  // message and stop on `parent._jp.<id>`.
  function receiveHtmlFile(address, frame, ended) {
    var id = 'a' + Math.random().toString(36).slice(2, 10);
    var iframe = document.createElement('iframe');
    var callbacks = {};
    var started = false;
    var stopped = false;
    var timer;

    function stop() {
      stopped = true;
      clearTimeout(timer);
      iframe.onload = iframe.onerror = null;
      if (window._jp === callbacks) {
        delete window._jp;
      }
      // Not now: the call may come from a script of that very page.
      setTimeout(function () {
        iframe.parentNode.removeChild(iframe);
      }, 0);
    }

    function end(again) {
      if (!stopped) {
        stop();
        ended(again);
      }
    }

    callbacks[id] = {
      start: function () {
        started = true;
        clearTimeout(timer);
      },
      message: function (text) {
        if (!stopped) {
          frame(text);
        }
      },
      stop: function () {
        end(true);
      }
    };
    window._jp = callbacks;

    // A page that has loaded without a start is an error page. Of a response that the network cuts,
    // Chromium tells the embedding page nothing, so only the next send can show that it is gone.
    iframe.onload = function () {
      end(started);
    };
    iframe.onerror = function () {
      end(false);
    };
    timer = setTimeout(function () {
      end(false);
    }, HTMLFILE_TIMEOUT);
    iframe.style.display = 'none';
    iframe.src = requestUrl(address, '/htmlfile', 'c=_jp.' + id);
    // The page may have asked before its own body was parsed.
    (document.body || document.documentElement).appendChild(iframe);
    return stop;
  }

  // The transports a released sockjs-client asks an iframe for: those that its transport list wraps
  // (1.x), or that are registered as `w-iframe-<name>` (0.3.x).
  var RECEIVERS = {
    'eventsource': receiveEventSource,
    'htmlfile': receiveHtmlFile,
    'xhr-polling': receiveXhr
  };

  // ---------------------------------------------------------------------------------------------
  // The transport: one receiver after the other, and a queue of messages to send

  /**
   * Starts to receive. Calls `frame(text)` per frame and `failed(reason)` at most once, after which
   * it is closed. Returns `{ send, close }`.
   */
  function openTransport(address, receiver, frame, failed) {
    var closed = false;
    var abortReceive = ignore;
    var abortSend = ignore;
    var emptyResponses = 0;
    var sending = false;
    var queue = [];

    function close() {
      if (!closed) {
        closed = true;
        abortReceive();
        abortSend();
      }
    }

    function fail(reason) {
      if (!closed) {
        close();
        failed(reason);
      }
    }

    function receive() {
      if (closed) {
        return;
      }
      emptyResponses += 1;
      abortReceive = receiver(address, function (text) {
        if (closed) {
          return;
        }
        emptyResponses = 0;
        frame(text);
        // Nothing follows a close frame, so there is nothing to ask for.
        if (text.charAt(0) === 'c') {
          close();
        }
      }, function (again) {
        abortReceive = ignore;
        if (!again || emptyResponses > RETRY_LIMIT) {
          fail('permanent');
        } else if (emptyResponses === 0) {
          receive();
        } else {
          setTimeout(receive, RETRY_PAUSE * Math.pow(2, emptyResponses - 1));
        }
      });
    }

    // One request at a time: two could overtake each other, and messages keep their order.
    function send() {
      var batch = [];
      var length = 0;
      if (closed || sending || queue.length === 0) {
        return;
      }
      do {
        length += queue[0].length;
        batch.push(queue.shift());
      } while (queue.length > 0 && length + queue[0].length <= SEND_BATCH);
      sending = true;
      // The messages are JSON strings already.
      abortSend = request('POST', requestUrl(address, '/xhr_send', uncached()),
        '[' + batch.join(',') + ']', function (status) {
          abortSend = ignore;
          if (status !== 200 && status !== 204) {
            fail('Sending error: http status ' + status);
            return;
          }
          setTimeout(function () {
            sending = false;
            send();
          }, SEND_PAUSE);
        });
    }

    receive();
    return {
      send: function (message) {
        queue.push(message);
        send();
      },
      close: close
    };
  }

  /** `iframe-info-receiver`: fetches /info once and answers `[info, milliseconds]`. */
  function openInfo(address, answered) {
    var start = new Date().getTime();
    var abort = request('GET', requestUrl(address, '', uncached()), null, function (status, text) {
      var info = null;
      clearTimeout(timer);
      if (status === 200) {
        // As in sockjs-client, an unreadable answer is an answer: it states no restriction.
        try {
          info = JSON.parse(text);
        } catch (notJson) {
          info = {};
        }
        answered(JSON.stringify([info, new Date().getTime() - start]));
      } else {
        answered('[null,null]');
      }
    });
    var timer = setTimeout(function () {
      abort();
      answered('[null,null]');
    }, INFO_TIMEOUT);
    return {
      send: ignore,
      close: function () {
        clearTimeout(timer);
        abort();
      }
    };
  }

  // ---------------------------------------------------------------------------------------------
  // The conversation with the page

  /** sockjs-client iframe protocol, the iframe's side. Called by the iframe page. */
  function bootstrapIframe() {
    var windowId = location.hash.slice(1);
    var page = window.parent;
    var pageOrigin = null;
    var dialect = null;
    var transport = null;

    // Opened by hand, the page has nobody to talk to.
    if (page === window || !windowId) {
      return;
    }

    function post(type, data) {
      // Only a web origin can be addressed. A page from a file is "null", and `event.source` has
      // already identified it.
      var target = /^https?:/.test(pageOrigin) ? pageOrigin : '*';
      page.postMessage(dialect.encode(windowId, type, data), target);
    }

    function postFrame(text) {
      post('t', text);
    }

    function postFailure(reason) {
      var message = dialect.closed(1006, reason);
      post(message.type, message.data);
    }

    // Type 's': `[version, transport, transport url, base url]`. The version is not compared: this
    // script speaks the protocol of all of them.
    function start(data) {
      var call;
      var name;
      var isInfo;
      var address;
      try {
        call = JSON.parse(data);
      } catch (notJson) {
        return;
      }
      name = String(call[1]).replace(/^w-iframe-/, '');
      isInfo = name === 'iframe-info-receiver' || name === 'info-receiver';
      address = ownAddress(call[2], isInfo ? dialect.infoPath : SESSION);
      // A failure at once lets the page try its next transport; silence would cost it a timeout.
      if (!address || !ownAddress(call[3], BASE)) {
        postFailure('The iframe serves ' + location.host + BASE_PATH + ' only');
      } else if (isInfo) {
        address.path = BASE_PATH + '/info';
        transport = openInfo(address, function (answer) {
          postFrame(dialect.infoFrame(answer));
        });
      } else if (!RECEIVERS.hasOwnProperty(name) ||
                 (name === 'eventsource' && !window.EventSource)) {
        postFailure('The iframe does not support ' + name);
      } else {
        transport = openTransport(address, RECEIVERS[name], postFrame, postFailure);
      }
    }

    function stop() {
      window.removeEventListener('message', handleMessage, false);
      if (transport) {
        transport.close();
      }
    }

    function handleMessage(event) {
      var message = null;
      var i;
      if (event.source !== page || typeof event.data !== 'string' ||
          (pageOrigin !== null && event.origin !== pageOrigin)) {
        return;
      }
      if (dialect) {
        message = dialect.decode(windowId, event.data);
      } else {
        for (i = 0; i < DIALECTS.length && !message; i += 1) {
          message = DIALECTS[i].decode(windowId, event.data);
          if (message) {
            dialect = DIALECTS[i];
            pageOrigin = event.origin;
          }
        }
      }
      if (!message || typeof message.data !== 'string') {
        return;
      }
      if (message.type === 's' && !transport) {
        start(message.data);
      } else if (message.type === 'm' && transport) {
        transport.send(message.data);
      } else if (message.type === 'c') {
        stop();
      }
    }

    window.addEventListener('message', handleMessage, false);
    // The page removes the iframe right after 'c', so that message may never arrive; and browsers
    // have kept requests of removed iframes alive. A page put into the back-forward cache comes back.
    window.addEventListener('onpagehide' in window ? 'pagehide' : 'unload', function (event) {
      if (!event.persisted) {
        stop();
      }
    }, false);

    for (var i = 0; i < DIALECTS.length; i += 1) {
      page.postMessage(DIALECTS[i].encode(windowId, 's', ''), '*');
    }
  }

  // The name that the iframe page calls. sockjs-protocol, IframePage.test_simpleUrl.
  window.SockJS = { bootstrap_iframe: bootstrapIframe };
}());
