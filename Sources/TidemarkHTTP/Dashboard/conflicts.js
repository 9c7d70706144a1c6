// Rows that were changed at both ends: those of a pipeline, and one with its images side by side.
import {h} from './dom.js';
import {linkTo} from './overview.js';
import {count, members, number, time, visible} from './format.js';
import {get, pathOf} from './api.js';

export const conflictsShown = 20;

export const loadConflict = async (name, id, signal) => ({conflict: await get(pathOf(name, 'conflicts', id), signal)});

const results = {source: 'the source’s counts', target: 'the target’s counts', merged: 'both were merged', stopped: 'left to a person'};
const images = [['before', 'Before'], ['source', 'Source'], ['target', 'Target'], ['outcome', 'Then at the target']];
const absent = {before: 'there was none', source: 'deleted it', target: 'has none', outcome: 'no row'};

/** Nothing for a pipeline without rules for conflicts. */
export function conflictsSection(pipeline, details) {
  const tallies = pipeline.status?.conflicts;
  if (!tallies) return null;
  return h('section', {id: 'conflicts', 'aria-labelledby': 'conflicts-title'}, h('h2', {id: 'conflicts-title'}, 'Conflicts'), listView(pipeline, tallies, details.conflicts));
}

function listView(pipeline, tallies, conflicts) {
  const total = tallies.reduce((sum, tally) => sum + tally.conflicts, 0);
  if (total === 0) return h('p', {class: 'empty'}, 'None: no row was changed at both ends.');
  const summary = h('p', {}, `${count(total, 'row')} changed at both ends and decided by the rule: `,
    tallies.filter(tally => tally.conflicts > 0).map((tally, place) => [place > 0 && ', ', `${number(tally.conflicts)} of `, h('code', {}, visible(tally.table))]), '.');
  if (!conflicts) return [summary, h('p', {class: 'empty'}, 'Asking the service …')];
  return [summary, h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Conflicts'}, h('table', {},
    h('caption', {class: 'unseen'}, 'Conflicts, the newest first'),
    h('thead', {}, h('tr', {}, ['Conflict', 'When', 'Row', 'What happened', 'Rule', 'Result'].map(text => h('th', {scope: 'col'}, text)))),
    h('tbody', {}, conflicts.map(conflict => h('tr', {key: conflict.id},
      h('th', {scope: 'row'}, h('a', {href: `${linkTo(pipeline.name)}/conflicts/${conflict.id}`}, `No. ${conflict.id}`)),
      h('td', {}, time(conflict.at, {ago: true})),
      h('td', {}, h('code', {}, `${visible(conflict.table)} ${visible(conflict.key)}`)),
      h('td', {class: 'whole'}, conflict.kind),
      h('td', {class: 'whole'}, visible(conflict.strategy)),
      h('td', {class: 'text'}, results[conflict.result] ?? visible(conflict.result), conflict.restoredAt && h('span', {class: 'of'}, ` put back by ${visible(conflict.restoredBy ?? '?')}`))))))),
  total > conflicts.length && h('p', {class: 'of'}, 'Older ones: ', h('code', {}, `tidemark conflicts list --pipeline ${visible(pipeline.name)} …`))];
}

export function conflictView(context, name, id) {
  const details = context.state.details?.name === name && context.state.details.conflictID === id ? context.state.details : {};
  const {conflict} = details;
  const head = [h('p', {class: 'back'}, h('a', {href: linkTo(name)}, `← ${visible(name)}`)), h('h1', {tabindex: -1}, `Conflict ${id}`)];
  if (conflict === undefined) return [...head, h('p', {class: 'empty'}, 'Asking the service …')];
  const line = (label, ...value) => h('div', {key: label}, h('dt', {}, label), h('dd', {}, value));
  return [
    ...head,
    h('dl', {class: 'facts'},
      line('Row', h('code', {}, `${visible(conflict.table)} ${visible(conflict.key)}`)),
      line('What happened', conflict.kind, ', ', time(conflict.at, {ago: true}), `; change ${conflict.changeID} of the source`,
        conflict.origin && [', first made at ', h('code', {}, visible(conflict.origin))]),
      line('Rule', visible(conflict.strategy), ': ', results[conflict.result] ?? visible(conflict.result)),
      conflict.restoredAt && line('Put back', time(conflict.restoredAt, {ago: true}), ` by ${visible(conflict.restoredBy ?? '?')}`)),
    h('h2', {}, 'Both sides'),
    imagesView(conflict),
    h('h2', {}, 'Put one back'),
    h('p', {}, 'It is written to the target as an ordinary write, and goes to every other end like any change.'),
    h('div', {class: 'actions', role: 'group', 'aria-label': `What may be done with conflict ${id}`},
      images.slice(0, 3).map(([image, label]) => restoreButton(context, name, conflict, image, label))),
  ];
}

function restoreButton(context, name, conflict, image, label) {
  const row = `${visible(conflict.table)} ${visible(conflict.key)}`;
  const isNone = conflict[image] == null;
  const verb = isNone ? 'Delete the row' : 'Put it back';
  return h('button', {key: image, type: 'button', class: isNone ? 'danger' : '', onclick: async () => await context.ask({
    title: `${label}: ${verb.toLowerCase()}?`, verb, danger: true, says: [
      isNone ? `There was no row then: ${row} is deleted at the target, whatever it holds now.` : `${row} at the target becomes what it was there, whatever it holds now.`,
      'Every other end gets that, too. The audit log notes who did it.']})
    && context.act(() => context.send('POST', pathOf(name, 'conflicts', conflict.id, 'restore'), {image}), `Conflict ${conflict.id}: ${label.toLowerCase()} is put back`)}, `${label} …`);
}

function imagesView(conflict) {
  const rows = images.map(([image]) => members(conflict[image]));
  const [, source, target] = rows;
  const fields = [...new Set(rows.flatMap(row => [...(row?.keys() ?? [])]))];
  return h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'The images of the row'}, h('table', {class: 'images four'},
    h('caption', {class: 'unseen'}, 'The row, as each image has it'),
    h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, 'Field'), images.map(([image, label], place) => h('th', {scope: 'col'}, rows[place] ? label : `${label}: ${absent[image]}`)))),
    h('tbody', {}, fields.map(field => {
      const differs = source && target && source.get(field) !== target.get(field);
      return h('tr', {key: field, class: differs ? 'differs' : ''}, h('th', {scope: 'row'}, visible(field), differs && h('span', {class: 'flag'}, ' ≠ differs')),
        rows.map(row => h('td', {class: 'value'}, row?.has(field) ? visible(row.get(field)) : h('span', {class: 'of'}, row ? 'has no such field' : 'no row'))));
    }))));
}
