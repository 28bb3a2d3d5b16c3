/*
 * Making parts of the page. Text is set as text, never as markup: much of it came over the network.
 */

export const $ = (id) => document.getElementById(id);

/** An element with properties (`dataset` and `attributes` are objects of their own) and children. */
export function element(tag, { dataset = {}, attributes = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.dataset, dataset);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * `text` with what stands between backticks as code: within the line, or in a block of its own where
 * several stand one after the other, which are lines for a configuration file.
 */
export function withCode(text) {
  const parts = String(text).split('`');
  const made = [];
  let lines = [];
  const flush = () => {
    if (lines.length > 1) {
      made.push(element('pre', { className: 'lines' }, element('code', { textContent: lines.join('\n') })));
    } else if (lines.length === 1) {
      made.push(element('code', { textContent: lines[0] }));
    }
    lines = [];
  };
  parts.forEach((part, index) => {
    if (index % 2 === 1) {
      lines.push(part);
    } else if (part.trim() !== '' || index === 0) {
      // A sentence that goes on after a block does not begin with its comma or full stop.
      const afterBlock = lines.length > 1;
      flush();
      made.push(afterBlock ? part.replace(/^[.,;:]\s*/, '') : part);
    }
  });
  flush();
  return made;
}

/** A definition list of `[term, value]`; a value is a text or a node. Those without are left out. */
export function definitions(className, pairs) {
  return element('dl', { className }, ...pairs
    .filter(([, value]) => value)
    .map(([term, value]) => element(
      'div',
      {},
      element('dt', { textContent: term }),
      element('dd', {}, value),
    )));
}

/** For everybody: a shape. For those who do not see it: nothing, since words stand beside it. */
export function dot(kind) {
  return element('span', { className: 'dot', dataset: { kind }, ariaHidden: 'true' });
}
