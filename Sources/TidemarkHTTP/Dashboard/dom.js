// Elements from plain values. A view is a function from the state to a tree; `draw` changes only what differs, so that
// the focus, a selection and an open <details> survive the next figures. Texts become text nodes, never markup.

const svgNames = new Set(['svg', 'path', 'line', 'rect', 'circle', 'text', 'g', 'polyline', 'title']);
const properties = new Set(['value', 'checked', 'disabled', 'selected']);

/** h('a', {href: '#/'}, 'text', …); null and false are left out. `key` keeps an element its own among its siblings. */
export function h(tag, props, ...children) {
  return {tag, props: props ?? {}, key: props?.key, children: children.flat(Infinity).filter(child => child != null && child !== false)};
}

export function draw(parent, ...children) {
  children = h('', null, ...children).children;
  const byKey = new Map();
  for (const node of parent.childNodes) if (node.drawn?.key !== undefined) byKey.set(node.drawn.key, node);
  let next = parent.firstChild;
  for (const child of children) {
    let node = child.key !== undefined ? byKey.get(child.key) : next;
    if (child.key === undefined && node?.drawn?.key !== undefined) node = null;
    if (!fits(node, child)) node = make(child, parent);
    if (node === next) next = next.nextSibling;
    else if (node.nextSibling !== next || node.parentNode !== parent) parent.insertBefore(node, next);
    update(node, child);
  }
  while (next) {
    const after = next.nextSibling;
    next.remove();
    next = after;
  }
}

function fits(node, child) {
  if (!node) return false;
  return child.tag === undefined ? node.nodeType === 3 : node.drawn?.tag === child.tag && node.drawn.key === child.key;
}

function make(child, parent) {
  if (child.tag === undefined) return document.createTextNode('');
  // An HTML <title> is never drawn.
  const node = svgNames.has(child.tag) ? document.createElementNS('http://www.w3.org/2000/svg', child.tag) : document.createElement(child.tag);
  node.drawn = {tag: child.tag, key: child.key, props: {}};
  return node;
}

function update(node, child) {
  if (child.tag === undefined) {
    if (node.data !== String(child)) node.data = String(child);
    return;
  }
  const old = node.drawn.props;
  node.drawn.props = child.props;
  for (const name of Object.keys({...old, ...child.props})) {
    const value = child.props[name];
    if (name === 'key' || (value === old[name] && !properties.has(name))) continue;
    if (name.startsWith('on')) node[name] = value ?? null;
    else if (value == null || (value === false && !properties.has(name))) node.removeAttribute(name);
    else if (properties.has(name)) { if (node[name] !== value) node[name] = value; }
    else node.setAttribute(name, value === true ? '' : value);
  }
  draw(node, child.children);
}

/** A shape for each health, so that nobody has to tell colours apart. */
export function mark(health) {
  const shapes = {
    failed: [h('path', {d: 'M5 1h6l4 4v6l-4 4H5l-4-4V5z', fill: 'currentColor'}), h('path', {d: 'm5.5 5.5 5 5m0-5-5 5', class: 'cut'})],
    attention: [h('path', {d: 'M8 1 15.5 15H.5z', fill: 'currentColor'}), h('path', {d: 'M8 6v4m0 1.5v1.5', class: 'cut'})],
    behind: [h('circle', {cx: 8, cy: 8, r: 6.5, class: 'line'}), h('path', {d: 'M8 4v4l3 2', class: 'line'})],
    paused: [h('path', {d: 'M3 2h3.5v12H3zM9.5 2H13v12H9.5z', fill: 'currentColor'})],
    unknown: [h('circle', {cx: 8, cy: 8, r: 6.5, class: 'line dashed'}), h('path', {d: 'M5 8h6', class: 'line'})],
    well: [h('circle', {cx: 8, cy: 8, r: 7, fill: 'currentColor'}), h('path', {d: 'm4.5 8 2.5 2.5 4.5-5', class: 'cut'})],
  };
  return h('svg', {class: 'mark', viewBox: '0 0 16 16', 'aria-hidden': 'true'}, shapes[health] ?? shapes.unknown);
}

export const badge = health =>
  h('span', {class: `health ${health}`}, mark(health), h('span', {}, words[health] ?? health));

/** The worst first. */
export const healths = ['failed', 'attention', 'behind', 'paused', 'unknown', 'well'];
export const words = {
  failed: 'failed', attention: 'needs attention', behind: 'behind', paused: 'paused', unknown: 'not known yet', well: 'well',
};
