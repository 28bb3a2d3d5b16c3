/*
 * Making parts of the page. Text is set as text, never as markup: users and backends choose much of it.
 */

export const $ = (id) => document.getElementById(id);

/** An element with properties (`dataset` and `attributes` are objects of their own) and children. */
export function element(tag, { dataset = {}, attributes = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.dataset, dataset);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const cell = (text, className = '') => element('td', { className, textContent: text });

/** A coloured dot with words, which say the same. */
export const mark = (kind, words) => element(
  'span',
  { className: 'mark', dataset: { kind } },
  element('span', { className: 'dot', ariaHidden: 'true' }),
  words,
);

/**
 * Makes the rows of a table body those of `items`, and leaves rows that stay where they are, so that the focus stays too.
 * `key` names an item, `fill(row, item)` sets what a row shows.
 */
export function rows(body, items, key, fill) {
  const known = new Map([...body.children].map((row) => [row.dataset.key, row]));
  const wanted = items.map((item) => {
    const name = String(key(item));
    const row = known.get(name) ?? element('tr', { dataset: { key: name } });
    known.delete(name);
    fill(row, item);
    return row;
  });
  for (const row of known.values()) row.remove();
  wanted.forEach((row, index) => {
    if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
  });
}

/** Sets the texts of a row's cells; makes them where they are missing. */
export function cells(row, ...contents) {
  contents.forEach((content, index) => {
    const made = row.children[index] ?? row.appendChild(document.createElement('td'));
    const { text, className = '', node = null, title = '' } = typeof content === 'object' ? content : { text: content };
    if (made.className !== className) made.className = className;
    if (made.title !== title) made.title = title;
    if (node) made.replaceChildren(node);
    else if (made.textContent !== String(text)) made.textContent = text;
  });
}

export const number = (text, title = '') => ({ text, className: 'number', title });

/** A short word at the foot of the page, which screen readers say too. */
export function toast(text, kind = 'good') {
  const place = $('toast');
  place.textContent = text;
  place.dataset.kind = kind;
  place.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { place.hidden = true; }, 6000);
}

/** Tells what came of something, when that is more than a few words: it stays until it is closed. */
export function tell({ title, text = '', lines }) {
  $('outcome-title').textContent = title;
  $('outcome-text').textContent = text;
  $('outcome-text').hidden = !text;
  $('outcome-list').replaceChildren(...lines.map((line) => element('li', { textContent: line })));
  if (!$('outcome').open) $('outcome').showModal();
}

/**
 * Asks in a dialog. `fields` are nodes; `act` is called with the form when it is confirmed, and an error that it throws is shown
 * there. Resolves when the dialog has closed, to whether it was confirmed.
 */
export function ask({ title, text, yes, danger = false, fields = [], act }) {
  const dialog = $('ask');
  const form = $('ask-form');
  const problem = $('ask-problem');
  $('ask-title').textContent = title;
  $('ask-text').textContent = text;
  $('ask-fields').replaceChildren(...fields);
  const confirm = $('ask-yes');
  confirm.textContent = yes;
  confirm.className = danger ? 'primary danger' : 'primary';
  problem.hidden = true;
  return new Promise((resolve) => {
    let confirmed = false;
    form.onsubmit = async (event) => {
      event.preventDefault();
      confirm.disabled = true;
      try {
        await act(form);
        confirmed = true;
        dialog.close();
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
      } finally {
        confirm.disabled = false;
      }
    };
    $('ask-no').onclick = () => dialog.close();
    dialog.onclose = () => resolve(confirmed);
    dialog.showModal();
    (form.querySelector('input, select') ?? $('ask-no')).focus();
  });
}

/** A labelled input for a dialog. */
export function field(label, properties = {}) {
  const id = `ask-${properties.name}`;
  return element(
    'div',
    { className: 'field' },
    element('label', { textContent: label, attributes: { for: id } }),
    element('input', { id, autocomplete: 'off', spellcheck: false, ...properties }),
  );
}
