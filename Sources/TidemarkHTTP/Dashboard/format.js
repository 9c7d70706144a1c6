// Figures, times and names as people read them.
import {h} from './dom.js';

const none = '–';
const digits = value => value.toFixed(value < 10 && value % 1 ? 1 : 0);

/** 12.3 k */
export function number(value) {
  if (value == null) return none;
  let size = Math.abs(value), unit = 0;
  if (size < 1000) return size < 10 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
  while (size >= 999.95 && unit < 4) [size, unit] = [size / 1000, unit + 1];
  return `${value < 0 ? '−' : ''}${size.toFixed(1)} ${['', 'k', 'M', 'G', 'T'][unit]}`;
}

export const exact = value => value == null ? none : value.toLocaleString('en').replaceAll(',', ' ');
export const rate = value => value == null ? none : `${number(value)}/s`;
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

export function bytes(value) {
  if (value == null) return none;
  let size = value, unit = 0;
  while (size >= 1024 && unit < 4) [size, unit] = [size / 1024, unit + 1];
  return unit === 0 ? `${value} bytes` : `${size.toFixed(1)} ${['', 'kB', 'MB', 'GB', 'TB'][unit]}`;
}

/** What an axis counts in. */
export const units = {
  number: ['', 'k', 'M', 'G', 'T'].map((name, power) => ({size: 1000 ** power, name})),
  rate: ['/s', 'k/s', 'M/s', 'G/s'].map((name, power) => ({size: 1000 ** power, name})),
  bytes: ['B', 'kB', 'MB', 'GB', 'TB'].map((name, power) => ({size: 1024 ** power, name})),
  span: [[0.001, 'ms'], [1, 's'], [120, 'min', 60], [7200, 'h', 3600], [172800, 'd', 86400]].map(([from, name, size]) => ({from, name, size: size ?? from})),
};

/** 12 ms, 0.2 s, 3 min, 5 h, 2 d */
export function span(seconds) {
  if (seconds == null) return none;
  if (seconds > 0 && seconds < 0.1) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${digits(seconds)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** Of the API (ISO 8601), and of both engines, which write a space for the T, and no minutes of a zone, or no zone for UTC. */
export function parsedTime(text) {
  if (!text) return null;
  let iso = text.trim().replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00');
  if (!/(Z|[+-]\d\d:?\d\d)$/.test(iso)) iso += 'Z';
  const time = new Date(iso.replace(/(\.\d{3})\d+/, '$1'));
  return isNaN(time) ? null : time;
}

const clock = new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit', second: '2-digit'});
const dated = new Intl.DateTimeFormat('en-GB', {day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit'});
export const clockTime = date => clock.format(date);
export const shownTime = date => date.toDateString() === new Date().toDateString() ? clock.format(date) : dated.format(date);

/** Local time; the title says UTC. */
export function time(text, {ago = false} = {}) {
  const date = text instanceof Date ? text : parsedTime(text);
  if (!date) return text ? visible(text) : none;
  const seconds = (Date.now() - date) / 1000;
  return h('time', {datetime: date.toISOString(), title: `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`},
    shownTime(date), ago && seconds >= 0 ? ` (${span(Math.round(seconds))} ago)` : null);
}

/** Names and values come from databases: what would not be seen, or turn the text around, is written out. */
export function visible(text) {
  return String(text ?? '').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    found => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`).replace(/[\t\n]/g, found => found === '\t' ? '\\t' : '\\n');
}

/** A sentence, with the commands in it set apart. */
export function sentence(text) {
  // What comes from tidemark itself has lines; a name in it that has one would only begin another.
  const lines = String(text ?? '').split(/\n\s*/);
  return lines.flatMap((line, place) => place ? [h('br', {}), ...sentenceLine(line)] : sentenceLine(line));
}

function sentenceLine(text) {
  const command = /tidemark [a-z][a-z-]*(?: (?:--?[a-z][a-z-]*(?:[ =](?!--)[^\s,;]+)?|[0-9]+|…|list|show|retry|skip))*/g;
  const shown = visible(text), parts = [];
  let end = 0;
  for (const found of shown.matchAll(command)) {
    const typed = found[0].replace(/[.:]$/, '');
    parts.push(shown.slice(end, found.index), h('code', {}, typed));
    end = found.index + typed.length;
  }
  return [...parts, shown.slice(end)];
}

/**
 * The members of a JSON object, each as the text that it was: JSON.parse would round what databases hold exactly.
 * Null where it is no object.
 */
export function members(json) {
  if (json == null) return null;
  const found = new Map();
  const token = /\s+|"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gy;
  let depth = 0, name = null, value = '';
  for (const [text] of json.matchAll(token)) {
    if (/^\s/.test(text)) continue;
    if (depth === 0 && text !== '{') return null;
    if ((text === '}' || text === ']') && --depth === 0 || depth === 1 && text === ',') {
      if (name !== null) found.set(name, value);
      [name, value] = [null, ''];
      continue;
    }
    if (text === '{' || text === '[') { if (++depth === 1) continue; }
    if (depth === 1 && name === null) { if (text !== ':') { try { name = JSON.parse(text); } catch { return null; } } continue; }
    if (depth === 1 && value === '' && text === ':') continue;
    value += text;
  }
  return found;
}
