// One pipeline: how it is and why, what may be done about it, and the figures behind that.
import {badge, h} from './dom.js';
import {behind, linkTo} from './overview.js';
import {bytes, count, exact, number, parsedTime, rate, sentence, span, time, units, visible} from './format.js';
import {plotView} from './plot.js';
import {all, get, pathOf} from './api.js';
import {conflictsSection, conflictsShown} from './conflicts.js';
import {taskTable} from './tasks.js';

export const plots = [
  {id: 'lag', title: 'Behind', lines: [{name: 'behind', value: sample => sample.pendingChanges === 0 ? 0 : sample.pendingSeconds}], shown: span, units: units.span},
  {id: 'rates', title: 'Changes a second', shown: rate, units: units.rate,
    lines: [{name: 'applied', value: sample => sample.appliedChangesPerSecond}, {name: 'captured', value: sample => sample.capturedChangesPerSecond}]},
  {id: 'waiting', title: 'Waiting changes', lines: [{name: 'waiting', value: sample => sample.pendingChanges}], shown: number, units: units.number},
  {id: 'latency', title: 'End-to-end latency', lines: [{name: 'latency', value: sample => sample.endToEndSeconds}], shown: span, units: units.span},
  {id: 'log', title: 'Size of the change log', lines: [{name: 'log', value: sample => sample.logBytes}], shown: bytes, units: units.bytes},
];

/** What the list of pipelines does not hold. */
export async function loadPipeline(name, signal, pipeline) {
  const [history, tables, parked, audit, conflicts] = await Promise.all([
    get(pathOf(name, 'history'), signal), all(pathOf(name, 'tables'), signal), all(pathOf(name, 'parked'), signal),
    get(pathOf(name, 'parked-audit?limit=20'), signal),
    pipeline?.status?.conflicts ? get(pathOf(name, `conflicts?limit=${conflictsShown}`), signal) : {items: []},
  ]);
  return {history: history.items, tables, parked, audit: audit.items, conflicts: conflicts.items};
}

export function pipelineView(context, name) {
  const {state} = context;
  const pipeline = state.pipelines?.find(pipeline => pipeline.name === name);
  const back = h('p', {class: 'back'}, h('a', {href: '#/'}, '← All pipelines'));
  if (!pipeline) {
    return [back, h('h1', {tabindex: -1}, visible(name)), h('p', {class: 'empty'}, state.pipelines ? 'The service runs no pipeline of that name.' : 'Asking the service …')];
  }
  const details = state.details?.name === name ? state.details : {};
  return [
    back,
    h('h1', {tabindex: -1, class: 'name'}, visible(name), ' ', badge(pipeline.health), h('span', {class: 'activity'}, pipeline.activity)),
    h('p', {class: 'summary'}, sentence(pipeline.summary),
      pipeline.retryAt && h('span', {}, '; tried again at ', time(pipeline.retryAt)),
      pipeline.failures > 1 && `; failed ${count(pipeline.failures, 'time')} in a row`),
    pipeline.status && h('p', {class: 'route'}, h('code', {}, visible(pipeline.status.source)), h('span', {'aria-label': 'to'}, ' → '), h('code', {}, visible(pipeline.status.target))),
    (pipeline.reason || pipeline.lastError) && h('section', {class: `reason ${pipeline.health}`, 'aria-labelledby': 'why'},
      h('h2', {id: 'why'}, pipeline.health === 'well' ? 'What there was' : 'Why'),
      pipeline.reason && h('p', {}, sentence(pipeline.reason)),
      pipeline.lastError && pipeline.lastError.what !== pipeline.reason && h('p', {class: 'error'},
        'Last error, ', visible(pipeline.lastError.kind), ', ', time(pipeline.lastError.at, {ago: true}),
        pipeline.lastError.resolvedAt && h('span', {}, ', over since ', time(pipeline.lastError.resolvedAt)), ': ', sentence(pipeline.lastError.what))),
    actionsView(context, pipeline),
    h('section', {'aria-labelledby': 'now'}, h('h2', {id: 'now'}, 'Now'), tiles(pipeline)),
    h('section', {'aria-labelledby': 'over-time'}, h('h2', {id: 'over-time'}, 'Over time'),
      details.history
        ? h('div', {class: 'plots'}, plots.map(plot => plotView(plot, details.history, state.cursors[plot.id] ??= {index: null}, context.redraw)))
        : h('p', {class: 'empty'}, 'Asking the service …')),
    h('section', {id: 'parked', 'aria-labelledby': 'parked-title'}, h('h2', {id: 'parked-title'}, 'Parked transactions'), parkedView(pipeline, details)),
    conflictsSection(pipeline, details),
    h('section', {'aria-labelledby': 'tables'}, h('h2', {id: 'tables'}, 'Tables'), polledView(pipeline.status?.polledTables),
      pipeline.status?.polledTables?.length && details.tables?.length === 0 ? null : tablesView(context, pipeline, details.tables)),
    h('section', {'aria-labelledby': 'tasks'}, h('h2', {id: 'tasks'}, 'Tasks'),
      taskTable(context, (state.tasks ?? []).filter(task => task.pipeline === name), `Tasks of ${visible(name)}`, false)),
    h('section', {'aria-labelledby': 'place'}, h('h2', {id: 'place'}, 'Source, target and leader'), placeView(pipeline)),
  ];
}

function actionsView(context, pipeline) {
  const {name, status} = pipeline;
  const post = (action, done) => context.act(() => context.send('POST', pathOf(name, action)), done);
  const logGrows = `The source keeps its change log meanwhile${status?.logMaxBytes
    ? `: it holds ${bytes(status.logBytes)} now, and at ${bytes(status.logMaxBytes)} this is done: ${status.atMaxLogSize}` : ''}.`;
  const isHeld = pipeline.activity === 'paused' || pipeline.health === 'paused';
  const button = (label, ask, action) => h('button', {key: label, type: 'button', onclick: async () => { const answer = await context.ask(ask); if (answer) action(answer); }}, label);
  return h('div', {class: 'actions', role: 'group', 'aria-label': `What may be done with ${visible(name)}`},
    isHeld
      ? button('Resume', {title: `Resume ${visible(name)}?`, verb: 'Resume', says: [
        `${count(pipeline.figures.pendingChanges ?? 0, 'change')} that waited will be applied, from where it stopped.`]},
      () => post('resume', `${visible(name)} goes on`))
      : button('Pause', {title: `Pause ${visible(name)}?`, verb: 'Pause', says: [
        'The window at hand is finished. Then the target stays as it is, until somebody resumes the pipeline.', logGrows]},
      () => post('pause', `${visible(name)} is paused`)),
    ['stopped', 'backing off'].includes(pipeline.activity) && button('Run now', {title: `Run ${visible(name)} now?`, verb: 'Run now', says: [
      'It is tried again at once, at the change where it failed. What is not mended fails again.']},
    () => post('run', `${visible(name)} is tried again`)),
    button('Verify', {title: `Verify ${visible(name)}?`, verb: 'Verify', field: {name: 'tables', label: 'Tables (patterns, a space between; empty for all)'}, says: [
      'Both databases are read and compared at one position, while writers go on. Nothing is changed. It is a task, which can be cancelled.']},
    ({tables}) => context.act(() => context.send('POST', pathOf(name, 'verify'), tables ? {tables: tables.split(/[\s,]+/)} : undefined), 'The comparison has begun')),
    h('a', {class: 'button', href: `#/tasks/new?pipeline=${encodeURIComponent(name)}`}, 'Copy or repair …'));
}

function tiles(pipeline) {
  const {figures, status} = pipeline;
  const tile = (label, value, detail, meter) => h('div', {key: label, class: 'tile'}, h('dt', {}, label), h('dd', {}, h('span', {class: 'value'}, value), detail && h('span', {class: 'detail'}, detail), meter));
  const full = status?.logMaxBytes ? Math.min(1, (status.logBytes ?? 0) / status.logMaxBytes) : null;
  return h('dl', {class: 'tiles'},
    tile('Behind', behind(figures), status?.delaySeconds ? `delayed by ${span(status.delaySeconds)} on purpose` : null),
    tile('Waiting', count(figures.pendingChanges, 'change'), figures.pendingTransactions == null ? null
      : `${count(figures.pendingTransactions, 'transaction')}, ${bytes(figures.pendingBytes)}`),
    tile('Applied', rate(figures.appliedChangesPerSecond), `${number(figures.appliedChanges)} changes since the service began`),
    tile('Captured', rate(figures.capturedChangesPerSecond), 'changes at the source'),
    tile('End to end', span(figures.endToEndSeconds), 'from source to target, of the last row'),
    tile('Change log', bytes(status?.logBytes), full === null ? 'without a cap'
      : [`of ${bytes(status.logMaxBytes)} (at it: ${status.atMaxLogSize ?? '?'})`, status.logFullInSeconds ? `, full in about ${span(status.logFullInSeconds)}` : ''].join(''),
    full !== null && h('progress', {max: 1, value: full, class: full > 0.8 ? 'hot' : '', 'aria-label': `The log is ${Math.round(full * 100)} % full`})),
    tile('Last window', count(figures.lastWindowChanges, 'change'), `took ${span(figures.lastWindowSeconds)}; ${number(figures.windows)} so far`),
    tile('Errors', number(Object.values(figures.errors).reduce((sum, value) => sum + value, 0)),
      Object.entries(figures.errors).map(([kind, times]) => `${visible(kind)} ${times}`).join(', ') || 'none since the service began'));
}

function parkedView(pipeline, details) {
  const audit = details.audit?.length > 0 && h('details', {}, h('summary', {}, 'What was done about parked changes'),
    h('ul', {class: 'audit'}, details.audit.map(line => h('li', {}, time(line.at), ` ${visible(line.by)}: ${line.action} transaction ${line.parked}, ${count(line.changes, 'change')} of ${line.tables.map(visible).join(', ')}`,
      line.detail && `: ${visible(line.detail)}`))));
  if (!details.parked) return h('p', {class: 'empty'}, pipeline.parkedTransactions > 0 ? 'Asking the service …' : 'None.');
  if (details.parked.length === 0) return [h('p', {class: 'empty'}, 'None: all that was committed is applied, or waits in the log.'), audit];
  return [h('p', {}, `${count(pipeline.parkedTransactions, 'transaction')} with ${count(pipeline.parkedChanges, 'change')} set aside. Not exact because of that: `,
    pipeline.notExactTables.map((table, place) => [place > 0 && ', ', h('code', {}, visible(table))]), '.'),
  h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Parked transactions'}, h('table', {},
    h('caption', {class: 'unseen'}, 'Parked transactions, the oldest first'),
    h('thead', {}, h('tr', {}, ['Parked', 'Since', 'What failed', 'Changes', 'Reason'].map(text => h('th', {scope: 'col'}, text)))),
    h('tbody', {}, details.parked.map(parked => h('tr', {key: parked.id},
      h('th', {scope: 'row'}, h('a', {href: `${linkTo(pipeline.name)}/parked/${parked.id}`}, `No. ${parked.id}`)),
      h('td', {}, time(parked.parkedAt, {ago: true})),
      h('td', {}, parked.table ? h('code', {}, `${visible(parked.table)} ${visible(parked.key ?? '')}`) : '–'),
      h('td', {class: 'figure'}, exact(parked.changes), parked.waitingChanges > 0 && h('span', {class: 'of'}, ` ${number(parked.waitingChanges)} waiting`)),
      h('td', {class: 'text'}, sentence(parked.reason))))))), audit];
}

/** Tables that are read instead of their log. */
function polledView(tables) {
  if (!tables?.length) return null;
  const classes = {failed: 'health failed', done: 'health well'};
  return h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Tables that are read'}, h('table', {},
    h('caption', {class: 'unseen'}, 'Tables that are read instead of their log'),
    h('thead', {}, h('tr', {}, ['Table', 'Mode', 'State', 'Rows read', 'Written, deleted', 'Last complete', 'Next'].map(text => h('th', {scope: 'col'}, text)))),
    h('tbody', {}, tables.map(table => h('tr', {key: table.table},
      h('th', {scope: 'row'}, visible(table.table)),
      h('td', {class: 'whole'}, table.mode, h('span', {class: 'of'}, ` ${visible(table.schedule)}`)),
      h('td', {class: 'text'}, h('span', {class: classes[table.state] ?? ''}, table.state), table.error && ` ${visible(table.error)}`),
      h('td', {class: 'figure'}, exact(table.rowsDone), table.rowsTotal > table.rowsDone && h('span', {class: 'of'}, ` of ${number(table.rowsTotal)}`)),
      h('td', {class: 'figure'}, `${number(table.rowsWritten)}, ${number(table.rowsDeleted)}`),
      h('td', {class: 'whole'}, table.finishedAt ? time(table.finishedAt, {ago: true}) : 'never'),
      h('td', {class: 'whole'}, table.nextAt ? time(table.nextAt) : '–'))))));
}

const rowsShown = 100;
function tablesView(context, pipeline, tables) {
  if (!tables) return h('p', {class: 'empty'}, 'Asking the service …');
  if (tables.length === 0) return h('p', {class: 'empty'}, 'No tables are known: the pipeline is not set up, or its target does not answer.');
  const notExact = new Set(pipeline.notExactTables);
  const rank = table => (table.differences > 0 || notExact.has(table.table) ? 0 : table.copy === 'copying' ? 1 : table.copy === 'waiting' ? 2 : 3);
  const wanted = (context.state.tableFilter ?? '').toLowerCase();
  const found = tables.filter(table => table.table.toLowerCase().includes(wanted)).sort((a, b) => rank(a) - rank(b) || (a.table < b.table ? -1 : 1));
  const shown = context.state.allTables ? found : found.slice(0, rowsShown);
  const copied = tables.filter(table => table.copy === 'done').length;
  return [
    h('p', {}, `${count(tables.length, 'table')}, ${copied} copied, ${tables.filter(table => table.verifiedAt).length} compared, ${tables.filter(table => table.differences > 0).length} differing, ${notExact.size} not exact.`),
    tables.length > 10 && h('label', {class: 'filter'}, h('span', {class: 'unseen'}, 'Filter tables'), h('input', {type: 'search', placeholder: 'Filter tables', value: context.state.tableFilter ?? '',
      oninput: event => context.set({tableFilter: event.target.value})})),
    h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Tables'}, h('table', {},
      h('caption', {class: 'unseen'}, 'Tables, those that need a look first'),
      h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, 'Table'), h('th', {scope: 'col'}, 'Copy'), h('th', {scope: 'col', class: 'figure'}, 'Rows copied'),
        h('th', {scope: 'col'}, 'State'), h('th', {scope: 'col'}, 'Last proof'))),
      h('tbody', {}, shown.map(table => h('tr', {key: table.table},
        h('th', {scope: 'row'}, visible(table.table), table.targetTable && ` → ${visible(table.targetTable)}`, isShaped(table) && h('span', {class: 'of', title: visible(table.shape)}, ' shaped')),
        h('td', {class: 'whole'}, copyView(table)),
        h('td', {class: 'figure', title: bytes(table.copiedBytes)}, exact(table.copiedRows)),
        h('td', {class: 'whole'}, tableState(table, notExact)),
        h('td', {class: 'whole'}, table.verifiedAt ? [time(table.verifiedAt, {ago: true}), h('span', {class: 'of'}, ` ${number(table.verifiedRows)} rows`)] : 'not yet')))))),
    found.length > shown.length && h('p', {}, h('button', {type: 'button', onclick: () => context.set({allTables: true})}, `Show all ${found.length} tables`)),
  ];
}

// More than another name: rows, columns or values are not the source's.
function isShaped(table) { return (table.shape ?? '').split('\n').some(line => line && !line.startsWith('to: ')); }

function copyView(table) {
  if (table.copy !== 'copying') return table.copy;
  const part = table.expectedRows > 0 ? Math.min(0.99, table.copiedRows / table.expectedRows) : null;
  return [h('progress', {max: 1, ...(part === null ? {} : {value: part}), 'aria-label': `Copy of ${visible(table.table)}`}), part === null ? ' copying' : ` ${Math.floor(part * 100)} %`];
}

function tableState(table, notExact) {
  if (notExact.has(table.table)) return h('span', {class: 'health attention'}, 'not exact: changes are parked');
  if (table.differences > 0) return h('span', {class: 'health failed'}, `differs in ${count(table.differences, 'row')}`);
  return table.verifiedAt ? h('span', {class: 'health well'}, 'equal') : 'not compared';
}

function placeView(pipeline) {
  const {status, lease} = pipeline;
  const role = (name, since, guarded) => name && [` ${name}, since `, time(since), guarded === true && '; guarded: nobody else writes to it',
    guarded === false && h('strong', {}, '; NOT guarded: others can write to it, which tidemark setup … mends')];
  const line = (label, ...value) => value.some(part => part) && h('div', {key: label}, h('dt', {}, label), h('dd', {}, value));
  return h('dl', {class: 'facts'},
    line('Source', status && h('code', {}, visible(status.source)), role(status?.sourceRole, status?.sourceRoleSince), status?.sourceID != null && `, last change ${status.sourceID}`),
    line('Target', status && h('code', {}, visible(status.target)), role(status?.targetRole, status?.targetRoleSince, status?.isTargetGuarded),
      status?.appliedID != null && `, has change ${status.appliedID}`, status?.appliedAt && [', applied at ', time(status.appliedAt)]),
    line('Leader', lease ? [h('code', {}, visible(lease.holder)), lease.isMine ? ' (this process)' : ' (another process)',
      `, epoch ${lease.epoch}, ${lease.remainingSeconds > 0 ? `renewed within ${span(lease.remainingSeconds)}` : 'run out'}`] : 'not known'),
    line('On failure', visible(pipeline.onFailure)),
    line('Waited for', status?.wait && `${visible(status.wait)}${status.waitTables ? `: ${status.waitTables.map(visible).join(', ')}` : ''}`,
      status?.wait && pipeline.figures.acknowledgeSeconds != null && `; the source knew of the last window after ${span(pipeline.figures.acknowledgeSeconds)}`),
    line('Log is kept', status?.retainSeconds && `for ${span(status.retainSeconds)} on purpose`, status?.retainBytes && ` the last ${bytes(status.retainBytes)}`,
      status?.heldBackBy && ` held back by ${visible(status.heldBackBy)}`),
    line('Paused', status?.pausedAt && [time(status.pausedAt, {ago: true}), ` by ${visible(status.pausedBy ?? '?')}`]),
    line('Given up', status?.lostAt && [time(status.lostAt), ': its tables have to be copied again']),
    line('Capture', status?.captureStoppedAt && [h('strong', {}, 'STOPPED'), ' at ', time(status.captureStoppedAt)]),
    line('Databases asked', pipeline.statusAt && parsedTime(pipeline.statusAt) && time(pipeline.statusAt, {ago: true})));
}
