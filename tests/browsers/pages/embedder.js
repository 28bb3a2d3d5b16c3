/*
 * A page that speaks the iframe protocol by hand, so that a test can say anything to the iframe page.
 */
(function () {
  'use strict';

  var WINDOW_ID = 'abcdefgh';
  var iframe = null;

  /** Every text that the iframe has posted, in order. */
  window.received = [];

  window.addEventListener('message', function (event) {
    if (iframe && event.source === iframe.contentWindow) {
      window.received.push(event.data);
    }
  });

  window.openIframe = function (base) {
    iframe = document.createElement('iframe');
    iframe.src = base + '/iframe.html#' + WINDOW_ID;
    document.body.appendChild(iframe);
  };

  window.removeIframe = function () {
    iframe.parentNode.removeChild(iframe);
  };

  window.post = function (text) {
    iframe.contentWindow.postMessage(text, '*');
  };
}());
