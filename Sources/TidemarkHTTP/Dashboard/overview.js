// All pipelines at a glance, the worst first.
import {badge, h, healths, mark, words} from './dom.js';
import {bytes, count, number, rate, sentence, span, visible} from './format.js';

export const linkTo = name => `#/pipelines/${encodeURIComponent(name)}`;

export function worstFirst(pipelines) {
  const rank = health => (healths.indexOf(health) + healths.length) % healths.length;
  return [...pipelines].sort((a, b) => rank(a.health) - rank(b.health)
    || (b.figures.pendingSeconds ?? 0) - (a.figures.pendingSeconds ?? 0) || (a.name < b.name ? -1 : 1));
}

export const counts = pipelines => {
  const found = Object.fromEntries(healths.map(health => [health, 0]));
  for (const pipeline of pipelines) found[pipeline.health] = (found[pipeline.health] ?? 0) + 1;
  return found;
};

/** The answer first: is everything well? */
export function verdict(pipelines) {
  const found = counts(pipelines), of = pipelines.length;
  if (of === 0) return 'There are no pipelines';
  if (found.well === of) return of === 1 ? 'The pipeline is well' : `All ${of} pipelines are well`;
  const parts = [];
  if (found.failed) parts.push(`${found.failed} failed`);
  if (found.attention) parts.push(`${found.attention} ${found.attention === 1 ? 'needs' : 'need'} attention`);
  if (found.behind) parts.push(`${found.behind} ${found.behind === 1 ? 'is' : 'are'} behind`);
  if (parts.length === 0) {
    if (found.paused) parts.push(`${found.paused} ${found.paused === 1 ? 'is' : 'are'} paused`);
    if (found.unknown) parts.push(`${found.unknown} not known yet`);
    return `Nothing is wrong: of ${of} ${of === 1 ? 'pipeline' : 'pipelines'}, ${parts.join(', ')}`;
  }
  return `Of ${of} ${of === 1 ? 'pipeline' : 'pipelines'}, ${parts.join(', ')}`;
}

export function overviewView(context) {
  const {state} = context;
  const everything = state.pipelines;
  if (!everything) return [h('h1', {tabindex: -1}, 'Pipelines'), h('p', {class: 'empty'}, state.lostAt ? 'Nothing is known: the service has not answered yet.' : 'Asking the service …')];
  const found = counts(everything);
  const words_ = state.filter.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const shown = worstFirst(everything).filter(pipeline => (!state.health || pipeline.health === state.health)
    && words_.every(word => [pipeline.name, pipeline.activity, pipeline.status?.source, pipeline.status?.target, pipeline.reason]
      .some(text => text?.toLowerCase().includes(word))));
  const worst = healths.find(health => found[health] > 0) ?? 'unknown';
  return [
    h('h1', {tabindex: -1, class: `verdict ${worst}`}, mark(worst), verdict(everything)),
    state.service && !state.service.isReady && h('p', {class: 'note'}, 'The service is not ready: ', sentence(state.service.notReadyBecause ?? 'it has just begun'), '.'),
    everything.length === 0
      ? h('p', {class: 'empty'}, 'Add a pipeline to ', h('code', {}, visible(state.service?.configuration ?? 'the configuration')),
        ' and have the service read it again: ', h('code', {}, 'systemctl reload tidemark'))
      : [
        h('div', {class: 'filters', role: 'group', 'aria-label': 'Which pipelines are shown'},
          h('button', {type: 'button', class: 'count', 'aria-pressed': String(!state.health), onclick: () => context.set({health: null})},
            h('strong', {}, everything.length), ' all'),
          healths.filter(health => found[health] > 0 || health === state.health).map(health =>
            h('button', {key: health, type: 'button', class: `count ${health}`, 'aria-pressed': String(state.health === health),
              onclick: () => context.set({health: state.health === health ? null : health})}, mark(health), h('strong', {}, found[health]), ` ${words[health]}`)),
          h('label', {class: 'filter'}, h('span', {class: 'unseen'}, 'Filter pipelines by name, address or reason'),
            h('input', {id: 'filter', type: 'search', placeholder: 'Filter  ( / )', autocomplete: 'off', spellcheck: 'false', value: state.filter,
              oninput: event => context.set({filter: event.target.value})}))),
        shown.length === 0
          ? h('p', {class: 'empty'}, 'No pipeline is so. ', h('button', {type: 'button', onclick: () => context.set({filter: '', health: null})}, 'Show all'))
          : listView(shown),
      ],
  ];
}

function listView(pipelines) {
  return h('table', {class: 'list'},
    h('caption', {class: 'unseen'}, 'Pipelines, the worst first'),
    h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, 'Health'), h('th', {scope: 'col'}, 'Pipeline'),
      h('th', {scope: 'col', class: 'figure', title: 'How old the oldest change is that the target does not have yet'}, 'Behind'),
      h('th', {scope: 'col', class: 'figure wide', title: 'Changes in the log that the target does not have yet'}, 'Waiting'),
      h('th', {scope: 'col', class: 'figure wide', title: 'Changes a second that were applied at the target, of the last few seconds'}, 'Applied'),
      h('th', {scope: 'col', class: 'figure wide', title: 'Changes a second that were captured at the source, of the last few seconds'}, 'Captured'),
      h('th', {scope: 'col', class: 'figure wide', title: 'From a row written at the source to the same row durable in the target'}, 'End to end'),
      h('th', {scope: 'col', class: 'figure wide', title: 'The change log at the source'}, 'Log'))),
    h('tbody', {}, pipelines.map(pipeline => {
      const {figures, status} = pipeline;
      return h('tr', {key: pipeline.name},
        h('td', {}, badge(pipeline.health)),
        h('th', {scope: 'row'}, h('a', {class: 'row-link', href: linkTo(pipeline.name)}, visible(pipeline.name)),
          ' ', h('span', {class: 'activity'}, pipeline.activity),
          pipeline.health !== 'well' && h('p', {class: 'why'},
            h('strong', {class: `narrow health ${pipeline.health}`, 'aria-hidden': 'true'}, `${words[pipeline.health]}: `), sentence(pipeline.reason ?? pipeline.summary)),
          pipeline.parkedTransactions > 0 && h('p', {class: 'why'}, h('a', {class: 'above', href: `${linkTo(pipeline.name)}?at=parked`},
            `${count(pipeline.parkedTransactions, 'transaction')} parked`))),
        h('td', {class: 'figure'}, behind(figures)),
        h('td', {class: 'figure wide', title: figures.pendingChanges == null ? null : `${figures.pendingChanges} changes`}, number(figures.pendingChanges)),
        h('td', {class: 'figure wide'}, rate(figures.appliedChangesPerSecond)),
        h('td', {class: 'figure wide'}, rate(figures.capturedChangesPerSecond)),
        h('td', {class: 'figure wide'}, span(figures.endToEndSeconds)),
        h('td', {class: 'figure wide'}, bytes(status?.logBytes),
          status?.logMaxBytes && h('span', {class: 'of'}, ` of ${bytes(status.logMaxBytes)}`)));
    })));
}

export const behind = figures => figures.pendingChanges === 0 ? '0 s' : span(figures.pendingSeconds);
