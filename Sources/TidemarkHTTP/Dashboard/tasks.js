// Work that is done once: copies, comparisons, repairs.
import {h} from './dom.js';
import {linkTo} from './overview.js';
import {count, number, time, visible} from './format.js';

const kinds = {
  copy: 'Copy: loads whole tables again', verify: 'Verify: compares both sides, changes nothing', repair: 'Repair: compares both sides, and makes the target’s rows as the source’s',
  sync: 'Sync: reads tables now that are read instead of their log',
};

export function tasksView(context) {
  const {tasks} = context.state;
  return [
    h('h1', {tabindex: -1}, 'Tasks'),
    h('p', {class: 'actions'}, h('a', {class: 'button', href: '#/tasks/new'}, 'New task …')),
    tasks ? taskTable(context, tasks, 'Tasks, the newest first', true) : h('p', {class: 'empty'}, 'Asking the service …'),
  ];
}

export function taskTable(context, tasks, caption, namesPipelines) {
  if (tasks.length === 0) return h('p', {class: 'empty'}, 'No tasks. A task copies, verifies, repairs or reads tables once.');
  return h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption}, h('table', {},
    h('caption', {class: 'unseen'}, caption),
    h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, 'Task'), namesPipelines && h('th', {scope: 'col'}, 'Pipeline'), h('th', {scope: 'col'}, 'State'), h('th', {scope: 'col', class: 'figure'}, 'Rows'),
      h('th', {scope: 'col'}, 'Found'), h('th', {scope: 'col'}, 'Created'), h('th', {scope: 'col'}, h('span', {class: 'unseen'}, 'Actions')))),
    h('tbody', {}, tasks.map(task => h('tr', {key: task.id},
      h('th', {scope: 'row'}, task.kind, h('span', {class: 'of'}, ` ${task.tables.length === 0 ? 'all tables' : task.tables.map(visible).join(' ')}${task.existing ? `, ${task.existing}` : ''}`)),
      namesPipelines && h('td', {}, h('a', {href: linkTo(task.pipeline)}, visible(task.pipeline))),
      h('td', {class: 'whole'}, stateView(task)),
      h('td', {class: 'figure'}, number(task.recordsSynced)),
      h('td', {class: 'text'}, task.error ? h('span', {class: 'health failed'}, visible(task.error))
        : task.differences == null ? '–' : task.differences === 0 ? 'equal' : h('span', {class: 'health attention'}, `${count(task.differences, 'difference')}`)),
      h('td', {class: 'whole'}, time(task.createdAt), h('span', {class: 'of'}, ` by ${visible(task.createdBy)}`)),
      h('td', {class: 'actions'}, taskActions(context, task)))))));
}

function stateView(task) {
  if (task.state !== 'running') return h('span', {class: `health ${{failed: 'failed', completed: 'well', cancelled: 'paused'}[task.state] ?? ''}`}, task.state);
  return [h('progress', {max: 1, value: task.progress, 'aria-label': `Progress of ${task.kind} of ${visible(task.pipeline)}`}), ` ${Math.floor(task.progress * 100)} %`];
}

function taskActions(context, task) {
  const subject = `${task.kind} of ${visible(task.pipeline)}`;
  const button = (label, says, action, done, danger) => h('button', {key: label, type: 'button', 'aria-label': `${label} ${subject}`, onclick: async () =>
    await context.ask({title: `${label} ${subject}?`, verb: label === 'Cancel' ? 'Cancel the task' : label, says: [says], danger}) && context.act(action, done)}, label);
  const path = `/sync/tasks/${encodeURIComponent(task.id)}`;
  return [
    task.state === 'running' || task.state === 'pending'
      ? button('Cancel', 'It stops after the part at hand. What it has written stays; it can be executed again.', () => context.send('POST', `${path}/cancel`), 'The task is being cancelled') : null,
    ['pending', 'failed', 'cancelled'].includes(task.state) ? button('Execute', effect(task), () => context.send('POST', `${path}/execute`), 'The task has begun') : null,
    task.state !== 'running' ? button('Delete', 'The task and its figures are forgotten; no data changes.', () => context.send('DELETE', path), 'The task is deleted', true) : null,
  ];
}

/** What a task does to data. */
function effect({kind, tables, existing}) {
  const which = tables?.length ? `the tables ${tables.map(visible).join(' ')}` : 'all tables';
  if (kind === 'verify') return `Reads and compares ${which} at both sides. Nothing is changed.`;
  if (kind === 'repair') return `Compares ${which}, and overwrites, inserts and deletes rows in the target where they differ from the source.`;
  if (kind === 'sync') return `Reads ${which} that are read instead of their log, and writes what differs.`;
  return existing === 'empty' ? `DELETES all rows of ${which} in the target, then copies the source’s.`
    : existing === 'merge' ? `Copies ${which}; rows that the target has are overwritten, others stay.` : `Copies ${which}; it is refused where the target has rows.`;
}

export function newTaskView(context, query) {
  const {state} = context;
  const draft = state.draft ??= {pipeline: query.get('pipeline') ?? state.pipelines?.[0]?.name ?? '', kind: query.get('kind') ?? 'verify', tables: '', existing: '', execute: true};
  draft.pipeline ||= state.pipelines?.[0]?.name ?? '';
  const change = values => { Object.assign(draft, values); context.redraw(); };
  const submit = async event => {
    event.preventDefault();
    const tables = draft.tables.split(/[\s,]+/).filter(Boolean);
    const request = {pipeline: draft.pipeline, kind: draft.kind, tables, execute: draft.execute, ...(draft.kind === 'copy' && draft.existing ? {existing: draft.existing} : {})};
    const isGranted = await context.ask({title: `${draft.kind} ${visible(draft.pipeline)}?`, verb: draft.execute ? 'Begin' : 'Create', danger: draft.kind !== 'verify',
      says: [effect(request), draft.execute ? 'It begins at once.' : 'It begins when somebody executes it.']});
    if (isGranted) context.act(async () => { await context.send('POST', '/sync/tasks', request); state.draft = null; location.hash = '#/tasks'; }, 'The task is created');
  };
  return [
    h('p', {class: 'back'}, h('a', {href: '#/tasks'}, '← Tasks')),
    h('h1', {tabindex: -1}, 'New task'),
    h('form', {class: 'form', onsubmit: submit},
      h('label', {}, 'Pipeline', h('select', {required: true, onchange: event => change({pipeline: event.target.value})},
        (state.pipelines ?? []).map(pipeline => h('option', {key: pipeline.name, value: pipeline.name, selected: pipeline.name === draft.pipeline}, visible(pipeline.name))))),
      h('fieldset', {}, h('legend', {}, 'What is done'), Object.entries(kinds).map(([kind, text]) =>
        h('label', {key: kind, class: 'choice'}, h('input', {type: 'radio', name: 'kind', value: kind, checked: draft.kind === kind, onchange: () => change({kind})}), text))),
      draft.kind === 'copy' && h('label', {key: 'existing'}, 'Rows that the target has already', h('select', {onchange: event => change({existing: event.target.value})},
        [['', 'refuse the copy'], ['merge', 'merge: overwrite them'], ['empty', 'empty: delete them all first']].map(([value, text]) =>
          h('option', {key: value, value, selected: draft.existing === value}, text)))),
      h('label', {key: 'tables'}, 'Tables (patterns, a space between; empty for all)', h('input', {value: draft.tables, spellcheck: 'false', autocomplete: 'off', placeholder: 'public.orders public.item_*',
        oninput: event => change({tables: event.target.value})})),
      h('label', {key: 'execute', class: 'choice'}, h('input', {type: 'checkbox', checked: draft.execute, onchange: event => change({execute: event.target.checked})}), 'Begin at once'),
      h('p', {key: 'says', class: 'note'}, effect({...draft, tables: draft.tables.split(/[\s,]+/).filter(Boolean)})),
      h('p', {key: 'buttons', class: 'actions'}, h('button', {type: 'submit', class: 'main'}, 'Create …'))),
  ];
}
