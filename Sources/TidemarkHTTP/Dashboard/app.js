// The dashboard: its state, what is shown for which address, and how it stays current.
import {draw, h, healths, words} from './dom.js';
import {sentence, span, time, visible} from './format.js';
import {Problem, all, get, hasToken, moments, send, setToken} from './api.js';
import {counts, overviewView, verdict} from './overview.js';
import {loadPipeline, pipelineView} from './pipeline.js';
import {loadParked, parkedView} from './parked.js';
import {conflictView, loadConflict} from './conflicts.js';
import {newTaskView, tasksView} from './tasks.js';

const state = {
  service: null, pipelines: null, tasks: null,
  /** When the figures came, and since when there have been none. */
  at: null, lostAt: null, wantsToken: false,
  filter: '', health: null, details: null, cursors: {}, problem: null, note: null,
};
const element = id => document.getElementById(id);

let isDrawing = false;
function redraw() {
  if (isDrawing) return;
  isDrawing = true;
  // No animation frame: a page in the background still changes its title.
  setTimeout(() => { isDrawing = false; drawAll(); });
}
const context = {state, redraw, set: values => { Object.assign(state, values); redraw(); }, ask, act, send, more: after => showMore(after)};

// What is shown for which address.

function route() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const parts = path.split('/').filter(Boolean).map(part => { try { return decodeURIComponent(part); } catch { return part; } });
  const values = new URLSearchParams(query);
  if (parts[0] === 'pipelines' && parts[2] === 'parked' && /^\d+$/.test(parts[3] ?? '')) {
    return {name: parts[1], view: () => parkedView(context, parts[1], parts[3]), title: `parked ${parts[3]} of ${parts[1]}`,
      load: async signal => ({parkedID: parts[3], ...await loadParked(parts[1], parts[3], signal)})};
  }
  if (parts[0] === 'pipelines' && parts[2] === 'conflicts' && /^\d+$/.test(parts[3] ?? '')) {
    return {name: parts[1], view: () => conflictView(context, parts[1], parts[3]), title: `conflict ${parts[3]} of ${parts[1]}`,
      load: async signal => ({conflictID: parts[3], ...await loadConflict(parts[1], parts[3], signal)})};
  }
  if (parts[0] === 'pipelines' && parts[1]) {
    return {name: parts[1], view: () => pipelineView(context, parts[1]), title: parts[1], load: signal => loadPipeline(parts[1], signal, state.pipelines?.find(pipeline => pipeline.name === parts[1])), section: values.get('at')};
  }
  if (parts[0] === 'tasks') return parts[1] === 'new' ? {view: () => newTaskView(context, values), title: 'new task'} : {view: () => tasksView(context), title: 'tasks'};
  return {view: () => overviewView(context), title: null};
}

let shown = route();
let loading = new AbortController();
addEventListener('hashchange', () => {
  shown = route();
  Object.assign(state, {details: null, cursors: {}, problem: null, tableFilter: '', allTables: false, ...(shown.title === 'new task' ? {} : {draft: null})});
  drawAll();
  scrollTo(0, 0);
  document.querySelector('h1')?.focus({preventScroll: true});
  loadDetails();
});

/** What the moments do not hold, again and again while its page is open. */
async function loadDetails() {
  loading.abort();
  const {signal} = loading = new AbortController();
  const wanted = shown;
  while (wanted.load && state.pipelines && !signal.aborted) {
    const isFirst = !state.details;
    try {
      const found = await wanted.load(signal);
      // What somebody asked to see more of stays.
      if (!(state.details?.changes?.length > (found.changes?.length ?? 0))) state.details = {name: wanted.name, ...found};
    } catch (error) {
      if (signal.aborted) return;
      // What is not there is told by its page.
      if (isFirst && error.status !== 404) fail(error);
    }
    redraw();
    if (isFirst && wanted.section) setTimeout(() => element(wanted.section)?.scrollIntoView());
    await sleep(10_000, signal);
  }
}

async function showMore(after) {
  const {name, parkedID, changes} = state.details;
  await act(async () => {
    const page = await loadParked(name, parkedID, undefined, after);
    state.details = {...state.details, changes: [...changes, ...page.changes], next: page.next};
  });
}

function drawAll() {
  const focused = document.activeElement;
  draw(element('top'), topView());
  draw(element('connection'), connectionView());
  draw(element('problem'), problemView());
  draw(element('main'), shown.view());
  draw(element('foot'), footView());
  // A row that changes its place loses the focus.
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({preventScroll: true});
  const found = counts(state.pipelines ?? []);
  const worst = healths.find(health => found[health] > 0);
  const isBad = state.lostAt || worst === 'failed';
  const glance = state.wantsToken ? 'token wanted' : state.lostAt ? 'no connection' : state.pipelines ? (worst && worst !== 'well' ? `${found[worst]} ${words[worst]}` : 'well') : '…';
  document.title = [shown.title && visible(shown.title), glance, 'tidemark'].filter(Boolean).join(' · ');
  const icon = `/dashboard/icon${isBad ? '-failed' : ['attention', 'behind'].includes(worst) ? '-attention' : ''}.svg`;
  if (element('icon').getAttribute('href') !== icon) element('icon').setAttribute('href', icon);
}

function topView() {
  const here = location.hash.startsWith('#/tasks') ? 'tasks' : 'pipelines';
  const link = (href, name, text) => h('a', {href, 'aria-current': here === name ? 'page' : null}, text);
  return [
    h('a', {class: 'brand', href: '#/', 'aria-label': 'tidemark: all pipelines'}, h('svg', {viewBox: '0 0 24 14', 'aria-hidden': 'true'},
      h('path', {d: 'M1 4q3-4 5.5 0t5.5 0 5.5 0 5.5 0M1 11q3-4 5.5 0t5.5 0 5.5 0 5.5 0', class: 'line'})), h('span', {class: 'brand-name'}, 'tidemark')),
    h('nav', {'aria-label': 'Pages'}, link('#/', 'pipelines', 'Pipelines'), link('#/tasks', 'tasks', 'Tasks')),
    h('span', {class: 'space'}),
    h('button', {type: 'button', class: 'quiet', onclick: nextTheme}, h('span', {class: 'theme-word'}, 'Theme: '), theme),
    h('button', {type: 'button', class: 'quiet', 'aria-label': 'Keys and help', onclick: help}, '?'),
  ];
}

function connectionView() {
  if (!state.lostAt) return null;
  if (state.wantsToken) return h('p', {class: 'stale'}, h('strong', {}, 'The service wants a token.'), ' ', h('button', {type: 'button', onclick: () => askToken()}, 'Enter a token'));
  return h('p', {class: 'stale'}, h('strong', {}, 'No connection since ', time(state.lostAt), `, for ${span(Math.round((Date.now() - state.lostAt) / 1000))}.`), ' ',
    state.at ? ['The figures are of ', time(state.at), ', and may be wrong by now. '] : null, 'Trying again until it answers.');
}

function problemView() {
  const close = h('button', {type: 'button', class: 'quiet', onclick: () => context.set({problem: null, note: null})}, 'Close');
  if (state.note) return h('p', {class: 'done'}, state.note, ' ', close);
  const problem = state.problem;
  if (!problem) return null;
  return h('div', {class: 'refused'}, h('strong', {}, visible(problem.title)), problem.detail && h('p', {}, sentence(problem.detail)),
    problem.remedy && h('p', {}, sentence(problem.remedy)),
    problem.status === 403 && h('p', {}, 'That needs a token with a larger role. ', h('button', {type: 'button', onclick: () => askToken()}, 'Use another token')), close);
}

function footView() {
  const service = state.service;
  return service && h('p', {}, `tidemark ${visible(service.version)}, ${visible(service.instance)}, runs since `, time(service.startedAt),
    `, leads ${service.leading} of ${service.pipelines}, configured by `, h('code', {}, visible(service.configuration)),
    state.at && [', figures of ', time(state.at)], hasToken() && [' ', h('button', {type: 'button', class: 'quiet', onclick: () => { setToken(null); location.reload(); }}, 'Forget the token')]);
}

// Asking, and doing.

let asks = 0, settle;
/** @returns what was entered, or null where it was not agreed to. */
function ask({title, says, verb, danger, field, cancel = 'Cancel', secret}) {
  const dialog = element('dialog');
  settle?.(null);
  draw(dialog, h('form', {method: 'dialog', key: ++asks},
    h('h2', {id: 'dialog-title'}, title), says.map(text => h('p', {}, text)),
    field && h('label', {}, field.label, h('input', {name: field.name, type: secret ? 'password' : 'text', autocomplete: 'off', spellcheck: 'false', autofocus: true})),
    h('p', {class: 'actions'}, cancel && h('button', {value: '', formnovalidate: true, autofocus: danger, class: 'quiet', type: 'button', onclick: () => dialog.close('')}, cancel),
      h('button', {value: 'yes', class: danger ? 'danger' : 'main', autofocus: !danger && !field, type: 'submit'}, verb))));
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise(resolve => {
    settle = resolve;
    // The event of a dialog that was closed just before comes later than that, and is not this one's.
    dialog.onclose = () => dialog.open || resolve(dialog.returnValue === 'yes' ? Object.fromEntries(new FormData(dialog.querySelector('form'))) : null);
  });
}

async function act(action, done) {
  Object.assign(state, {problem: null, note: null});
  try {
    await action();
    state.note = done ?? null;
    setTimeout(() => { if (state.note === done) context.set({note: null}); }, 8000);
    await refresh();
    if (shown.load && done) loadDetails();
  } catch (error) {
    await fail(error);
  }
  redraw();
}

async function fail(error) {
  if (error.status === 401) {
    state.wantsToken = true;
    if (await askToken()) return;
  }
  state.problem = error instanceof Problem ? error : new Problem({title: 'This page has failed', detail: String(error), remedy: 'Load it again.'});
  redraw();
}

let asked = null;
/** Once, however many requests were refused. */
function askToken() {
  asked ??= ask({title: 'Who are you?', secret: true, verb: 'Use it', field: {name: 'token', label: 'Token'}, says: [
    hasToken() ? 'The service does not take the token that this page has, or it is not enough.' : 'The service wants a token.',
    'Tokens are in the service’s configuration, under service: tokens. It is kept until this tab is closed.']}).then(answer => {
    asked = null;
    if (!answer?.token) return false;
    setToken(answer.token);
    Object.assign(state, {problem: null, wantsToken: false});
    wake();
    if (state.pipelines) loadDetails();
    return true;
  });
  return asked;
}

function help() {
  const keys = [['/', 'filter'], ['j, k', 'next, previous pipeline'], ['Enter', 'open it'], ['Esc', 'leave the filter, or go back to all pipelines'],
    ['← →', 'in a plot: the value at another time'], ['t', 'tasks'], ['?', 'this']];
  const dialog = element('dialog');
  draw(dialog, h('form', {method: 'dialog', key: 'help'}, h('h2', {id: 'dialog-title'}, 'Keys'),
    h('dl', {class: 'keys'}, keys.map(([key, text]) => h('div', {}, h('dt', {}, h('kbd', {}, key)), h('dd', {}, text)))),
    h('p', {}, 'The same at a terminal: ', h('code', {}, 'tidemark top')), h('p', {class: 'actions'}, h('button', {class: 'main', value: '', autofocus: true}, 'Close'))));
  dialog.onclose = null;
  dialog.showModal();
}

// Staying current.

function sleep(milliseconds, signal) {
  return new Promise(resolve => { const timer = setTimeout(resolve, milliseconds); signal?.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, {once: true}); });
}

/** Live regions tell what has changed for the worse or the better, and no figures. */
function take({service, pipelines, tasks}) {
  const isFirst = !state.pipelines;
  if (state.pipelines) {
    const before = new Map(state.pipelines.map(pipeline => [pipeline.name, pipeline.health]));
    for (const pipeline of pipelines) {
      if (before.has(pipeline.name) && before.get(pipeline.name) !== pipeline.health) announce(`${visible(pipeline.name)}: ${words[pipeline.health]}. ${visible(pipeline.reason ?? pipeline.summary)}`);
    }
  }
  Object.assign(state, {service, pipelines, tasks, at: new Date(), lostAt: null, wantsToken: false});
  if (isFirst) loadDetails();
  redraw();
}

function announce(text) {
  const line = document.createElement('p');
  line.textContent = text;
  element('announcer').append(line);
  while (element('announcer').childNodes.length > 20) element('announcer').firstChild.remove();
}

async function refresh(signal) {
  // One question first: a wrong token is refused once, and not for each of them.
  const service = await get('/service', signal);
  const [pipelines, tasks] = await Promise.all([all('/pipelines', signal), all('/sync/tasks', signal)]);
  take({service, pipelines, tasks});
}

let wake = () => {};
// A browser keeps a page that is left, with its stream, for going back to it; of the few connections to one server, those
// would be missing for a minute.
let comingBack = null;
addEventListener('pagehide', () => {
  comingBack ??= Promise.withResolvers();
  loading.abort();
  wake();
});
addEventListener('pageshow', () => {
  if (!comingBack) return;
  comingBack.resolve();
  comingBack = null;
  loadDetails();
});

async function follow() {
  for (let failures = 0; ;) {
    await comingBack?.promise;
    const ended = new AbortController();
    wake = () => { failures = 0; ended.abort(); };
    let isReached = false;
    try {
      await refresh(ended.signal);
      isReached = true;
      await moments(moment => { failures = 0; take(moment); }, ended.signal);
    } catch (error) {
      if (ended.signal.aborted) continue;
      // Asked once; whoever does not want to say now finds a button.
      const isFirst = error.status === 401 && !state.wantsToken;
      state.wantsToken = error.status === 401;
      if (isFirst) { state.lostAt ??= new Date(); redraw(); if (await askToken()) continue; }
    }
    // A stream that ends, as at a restart of the service, says nothing yet; a service that cannot be asked again does.
    if (!isReached && failures > 0) state.lostAt ??= new Date();
    failures += 1;
    redraw();
    const milliseconds = isReached ? Math.min(5000, 200 * 2 ** failures) : Math.min(15_000, 250 * 2 ** failures);
    await sleep(milliseconds * (0.75 + Math.random() / 2), ended.signal);
  }
}

// Keys.

addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || element('dialog').open) return;
  const isTyping = event.target.matches?.('input:not([type=radio]):not([type=checkbox]), select, textarea');
  if (event.key === 'Escape') {
    if (isTyping && event.target.value && event.target.id === 'filter') context.set({filter: ''});
    else if (isTyping) event.target.blur();
    else if (location.hash.replace(/^#\/?/, '')) location.hash = '#/';
    return;
  }
  if (isTyping) return;
  const links = [...document.querySelectorAll('.row-link')];
  const here = links.indexOf(document.activeElement);
  const keys = {
    '/': () => document.querySelector('input[type=search]')?.focus(),
    '?': help,
    t: () => { location.hash = '#/tasks'; },
    j: () => links[Math.min(links.length - 1, here + 1)]?.focus(),
    k: () => links[Math.max(0, here - 1)]?.focus(),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
document.querySelector('.skip').addEventListener('click', event => { event.preventDefault(); element('main').focus(); });

// Light, dark, or as the system has it.

const themes = ['auto', 'light', 'dark'];
let theme = 'auto';
try { theme = themes.find(name => name === localStorage.getItem('tidemark.theme')) ?? 'auto'; } catch { /* storage is off */ }
document.documentElement.dataset.theme = theme;
function nextTheme() {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem('tidemark.theme', theme); } catch { /* storage is off */ }
  redraw();
}

drawAll();
follow();
// How long there has been no connection.
setInterval(() => { if (state.lostAt) redraw(); }, 1000);
