'use strict';
// Numbers as the window writes them, and the elements that hold them. Text of the run goes into text nodes and
// attributes alone: it may be anything.

/** An element with attributes and children; strings become text nodes. */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const byId = (id) => document.getElementById(id);
const known = (value) => value !== null && value !== undefined;
const minus = (text) => text.replace('-', '−');
const count = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, '\u2009');
const plural = (value, one) => `${count(value)} ${one}${value === 1 ? '' : 's'}`;
const threeDigits = (value) => value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
const real = (value) => (known(value) ? minus(value.toFixed(3)) : '–');
const nats = (value) => (known(value) ? `${real(value)} nats` : '–');
const rate = (value) => (value >= 1000 ? count(Math.round(value)) : threeDigits(value));

function probability(share) {
  if (!known(share)) return '–';
  const percent = share * 100;
  if (percent === 0) return '0 %';
  if (percent >= 99.95) return `${percent.toFixed(0)} %`;
  if (percent >= 1) return `${percent.toFixed(1)} %`;
  if (percent >= 0.1) return `${percent.toFixed(2)} %`;
  if (percent >= 0.001) return `${percent.toFixed(3)} %`;
  return '< 0.001 %';
}

function seconds(value) {
  if (!known(value)) return '–';
  if (value === 0) return '0 ms';
  if (value < 0.0009995) return `${(value * 1e6).toFixed(0)} µs`;
  if (value < 0.09995) return `${(value * 1e3).toFixed(1)} ms`;
  if (value < 0.9995) return `${(value * 1e3).toFixed(0)} ms`;
  if (value < 9.995) return `${value.toFixed(2)} s`;
  if (value < 99.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

function bytes(value) {
  if (value < 1000) return `${value} B`;
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  value /= 1e3;
  while (value >= 999.5 && unit + 1 < units.length) {
    value /= 1e3;
    unit += 1;
  }
  return `${threeDigits(value)} ${units[unit]}`;
}

function amount(value) {
  if (value >= 1e9) return `${threeDigits(value / 1e9)} billion`;
  return value >= 1e6 ? `${threeDigits(value / 1e6)} million` : count(value);
}

/** A number: to a person as they read it, to a machine, and under the pointer, with all its digits. */
function number(value, write, attributes) {
  if (!known(value)) return el('data', { value: '', ...attributes }, '–');
  return el('data', { value: String(value), title: String(value), ...attributes }, write(value));
}

/** A token's text, its white space in a quieter colour. */
function inked(text) {
  return text.split(/([·↵→⏎]+)/).filter((part) => part !== '')
    .map((part) => (/^[·↵→⏎]/.test(part) ? el('span', { class: 'white' }, part) : part));
}

/** Fills a list of facts: name, content, and whether it is set in the face of numbers. */
function facts(list, rows) {
  list.replaceChildren(...rows.filter((row) => row && known(row[1])).map(([name, content, key]) => el('div', null,
    el('dt', null, ...[name].flat()),
    el('dd', { 'data-fact': key ?? false, class: typeof content === 'string' ? false : 'mono' }, content))));
}

// Samples of viridis (van der Walt and Smith, CC0) at ninths of 0–1; between them colours are mixed.
const VIRIDIS = [[68, 1, 84], [72, 40, 120], [62, 73, 137], [49, 104, 142], [38, 130, 142],
  [31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43], [253, 231, 37]];

function viridis(share) {
  const place = Math.min(1, Math.max(0, share || 0)) * (VIRIDIS.length - 1);
  const index = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const mixed = VIRIDIS[index].map((from, channel) => Math.round(from + (VIRIDIS[index + 1][channel] - from) * (place - index)));
  return `rgb(${mixed.join(' ')})`;
}

/** Lets an element know the colour of a share on both themes: the end that would vanish in the ground is left out. */
function tint(node, share) {
  const value = Math.min(1, Math.max(0, share || 0));
  node.classList.add('q');
  node.style.setProperty('--dark', viridis(0.2 + 0.8 * value));
  node.style.setProperty('--light', viridis(0.92 * value));
}
