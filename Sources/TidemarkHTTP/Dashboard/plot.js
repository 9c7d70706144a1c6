// Lines over time, as SVG. Each plot can be read with the pointer, with the arrow keys, and as a table.
import {h} from './dom.js';
import {clockTime, parsedTime} from './format.js';

const [width, height] = [420, 150];
const [left, right, top, bottom] = [58, 14, 10, 22];

/** Round numbers from 0 to at least the largest, all in one unit. */
function ticks(largest, units) {
  const unit = units.findLast(unit => largest >= (unit.from ?? unit.size)) ?? units[0];
  const rough = (largest / unit.size || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(step => step >= rough * 0.999);
  const values = [];
  for (let value = 0; values.length < 2 || values.at(-1).value < largest; value += step) {
    const shown = Number(value.toPrecision(6));
    values.push({value: shown * unit.size, text: `${shown} ${unit.name}`.trim()});
  }
  return values;
}

function timeTicks(from, to) {
  const minutes = (to - from) / 60_000;
  const step = [0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 240, 720, 1440].find(step => minutes / step <= 5) ?? minutes / 4;
  const found = [];
  for (let at = Math.ceil(from / (step * 60_000)) * step * 60_000; at <= to; at += step * 60_000) found.push(at);
  return {found, seconds: step < 1};
}

/**
 * @param {{id: string, title: string, lines: {name: string, value: (sample) => number?}[], shown: (value) => string, units: {size, name}[]}} plot
 * @param samples the oldest first
 * @param {{index: number?}} cursor where somebody reads it; kept by the caller
 */
export function plotView(plot, samples, cursor, redraw) {
  const points = samples.map(sample => ({at: parsedTime(sample.at), values: plot.lines.map(line => line.value(sample) ?? null)}))
    .filter(point => point.at);
  const known = points.flatMap(point => point.values).filter(value => value !== null);
  const caption = h('figcaption', {id: `${plot.id}-caption`}, h('h3', {}, plot.title),
    plot.lines.length > 1 && h('span', {class: 'legend'}, plot.lines.map((line, place) => h('span', {},
      h('svg', {viewBox: '0 0 24 8', class: 'sample', 'aria-hidden': 'true'}, h('line', {x1: 0, x2: 24, y1: 4, y2: 4, class: `plot-line line-${place}`})), line.name))));
  if (known.length < 2) return h('figure', {key: plot.id, class: 'plot'}, caption, h('p', {class: 'empty'}, 'Nothing has been measured yet.'));

  const [from, to] = [points[0].at.getTime(), points.at(-1).at.getTime()];
  const levels = ticks(Math.max(...known), plot.units);
  const x = at => left + (at - from) / Math.max(1, to - from) * (width - left - right);
  const y = value => height - bottom - value / levels.at(-1).value * (height - top - bottom);
  const axis = timeTicks(from, to);
  const index = cursor.index === null ? null : Math.min(cursor.index, points.length - 1);
  const chosen = points[index ?? points.length - 1];
  const told = point => `${clockTime(point.at)}: ${plot.lines
    .map((line, place) => (plot.lines.length > 1 ? `${line.name} ` : '') + (point.values[place] === null ? 'not known' : plot.shown(point.values[place]))).join(', ')}`;

  const svg = h('svg', {viewBox: `0 0 ${width} ${height}`, class: 'chart', 'aria-hidden': 'true'},
    levels.map(level => h('g', {}, h('line', {x1: left, x2: width - right, y1: y(level.value), y2: y(level.value), class: 'grid'}),
      h('text', {x: left - 6, y: y(level.value) + 4, class: 'axis end'}, level.text))),
    axis.found.map(at => h('g', {}, h('line', {x1: x(at), x2: x(at), y1: height - bottom, y2: height - bottom + 4, class: 'grid'}),
      h('text', {x: Math.min(x(at), width - (axis.seconds ? 26 : 17)), y: height - 7, class: 'axis middle'}, clockTime(new Date(at)).slice(0, axis.seconds ? 8 : 5)))),
    plot.lines.map((line, place) => h('path', {class: `plot-line line-${place}`, d: path(points, place, x, y)})),
    index !== null && h('g', {}, h('line', {x1: x(chosen.at), x2: x(chosen.at), y1: top, y2: height - bottom, class: 'cursor'}),
      chosen.values.map((value, place) => value !== null && h('circle', {cx: x(chosen.at), cy: y(value), r: 3.5, class: `dot-${place}`}))));

  const move = to => { cursor.index = to === null ? null : Math.max(0, Math.min(points.length - 1, to)); redraw(); };
  const pointed = event => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = from + ((event.clientX - box.left) / box.width * width - left) / (width - left - right) * (to - from);
    let nearest = 0;
    points.forEach((point, place) => { if (Math.abs(point.at - at) < Math.abs(points[nearest].at - at)) nearest = place; });
    move(nearest);
  };
  const keyed = event => {
    const step = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -points.length, End: points.length}[event.key];
    if (step === undefined) return;
    event.preventDefault();
    move((index ?? points.length - 1) + step);
  };
  return h('figure', {key: plot.id, class: 'plot'}, caption,
    h('div', {
      class: 'chart-box', tabindex: 0, role: 'slider', 'aria-labelledby': `${plot.id}-caption`, 'aria-orientation': 'horizontal',
      'aria-valuemin': 0, 'aria-valuemax': points.length - 1, 'aria-valuenow': index ?? points.length - 1, 'aria-valuetext': told(chosen),
      onpointermove: pointed, onpointerleave: () => move(null), onkeydown: keyed, onblur: () => move(null),
    }, svg),
    h('p', {class: 'reading', 'aria-hidden': 'true'}, index === null ? `now ${told(chosen).split(': ')[1]}, at most ${plot.shown(Math.max(...known))}` : told(chosen)),
    tableView(plot, points));
}

/** Gaps stay gaps. */
function path(points, place, x, y) {
  let text = '', pen = false;
  for (const point of points) {
    const value = point.values[place];
    if (value !== null) text += `${pen ? 'L' : 'M'}${x(point.at).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = value !== null;
  }
  return text;
}

const rowsMax = 30;
function tableView(plot, points) {
  const step = Math.ceil(points.length / rowsMax);
  const rows = points.filter((_, place) => (points.length - 1 - place) % step === 0).reverse();
  return h('details', {class: 'as-table'}, h('summary', {}, 'As a table', h('span', {class: 'unseen'}, `: ${plot.title}`)),
    h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `${plot.title}, as a table`}, h('table', {},
      h('caption', {class: 'unseen'}, `${plot.title}, the newest first`),
      h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, 'Time'), plot.lines.map(line => h('th', {scope: 'col', class: 'figure'}, line.name)))),
      h('tbody', {}, rows.map(point => h('tr', {}, h('th', {scope: 'row'}, clockTime(point.at)),
        point.values.map(value => h('td', {class: 'figure'}, value === null ? '–' : plot.shown(value)))))))));
}
