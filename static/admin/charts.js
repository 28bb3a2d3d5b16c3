/*
 * Small charts over the last minutes: lines in SVG, and bars made of elements.
 */
import { element, svg } from './elements.js';
import { count, size } from './text.js';

/** Points that are kept: five minutes, one every two seconds. */
export const KEPT = 150;
/** Points that the width stands for at least. */
const LEAST = 45;

const WIDTH = 300;
const HEIGHT = 64;

/** A number that is a little above the greatest, and round: for sizes, in powers of two. */
function ceiling(greatest, ofSizes) {
  if (greatest <= 0) return 1;
  if (ofSizes) return 2 ** Math.ceil(Math.log2(greatest));
  const power = 10 ** Math.floor(Math.log10(greatest));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= greatest);
}

/**
 * A tile: a title, what holds now, and lines of what held before. `series` is a list of names; the first is drawn with an area
 * below it. `update(values, texts)` adds a value for each, and shows the texts.
 */
export function tile(title, series, format) {
  const now = element('p', { className: 'now' });
  const most = element('span', { className: 'most' });
  const lines = series.map((_, index) => svg('path', { class: `line series-${index}`, 'vector-effect': 'non-scaling-stroke' }));
  const area = svg('path', { class: 'area' });
  const chart = svg(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', class: 'chart', 'aria-hidden': 'true' },
    area,
    ...lines,
  );
  const node = element(
    'section',
    { className: 'card tile' },
    element('h2', { textContent: title }),
    now,
    element('div', { className: 'plot' }, chart, most),
  );
  const history = series.map(() => []);

  function draw() {
    const greatest = Math.max(...history.flat().filter(Number.isFinite), 0);
    const top = ceiling(greatest, format === size);
    const points = Math.max(LEAST, history[0].length);
    const x = (index, length) => WIDTH - ((length - 1 - index) * WIDTH) / (points - 1);
    const y = (value) => HEIGHT - 2 - (value / top) * (HEIGHT - 6);
    history.forEach((values, number) => {
      let path = '';
      let pen = 'M';
      values.forEach((value, index) => {
        if (!Number.isFinite(value)) {
          pen = 'M';
          return;
        }
        path += `${pen}${x(index, values.length).toFixed(1)} ${y(value).toFixed(1)}`;
        pen = 'L';
      });
      lines[number].setAttribute('d', path);
      if (number === 0) {
        const first = values.findIndex(Number.isFinite);
        const close = `L${WIDTH} ${HEIGHT}L${x(first, values.length).toFixed(1)} ${HEIGHT}Z`;
        area.setAttribute('d', path && !path.slice(1).includes('M') ? path + close : '');
      }
    });
    most.textContent = greatest > 0 ? format(top) : '';
  }

  return {
    node,
    update(values, texts) {
      values.forEach((value, index) => {
        history[index].push(value);
        if (history[index].length > KEPT) history[index].shift();
      });
      now.replaceChildren(...texts.map((text, index) => element(
        'span',
        { className: texts.length > 1 ? `key series-${index}` : '' },
        element('strong', { textContent: text }),
        series[index] ? ` ${series[index]}` : '',
      )));
      draw();
    },
  };
}

/** Parts of a whole as bars, the longest first. `items` are `[name, value, title]`. */
export function bars(place, items, empty) {
  if (items.length === 0) {
    place.replaceChildren(element('p', { className: 'empty', textContent: empty }));
    return;
  }
  const total = items.reduce((sum, [, value]) => sum + value, 0);
  const sorted = [...items].sort(([one, a], [other, b]) => b - a || one.localeCompare(other));
  const list = element('ul', { className: 'bars' }, ...sorted.map(([name, value, title = '']) => {
    const bar = element('span', { className: 'bar-value', ariaHidden: 'true' });
    const share = total > 0 ? (value / total) * 100 : 0;
    bar.style.width = `${share}%`;
    const part = total > 0 ? `${Math.round(share)} %` : '';
    return element(
      'li',
      { title },
      element('span', { className: 'bar-name', textContent: name }),
      element('span', { className: 'bar-line' }, bar),
      element('span', { className: 'bar-count number', textContent: count(value) }),
      element('span', { className: 'bar-part number', textContent: part }),
    );
  }));
  place.replaceChildren(list);
}
