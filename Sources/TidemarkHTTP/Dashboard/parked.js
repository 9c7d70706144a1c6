// A parked transaction: its changes, the row as the source left it and as the target has it.
import {h} from './dom.js';
import {linkTo} from './overview.js';
import {count, exact, members, sentence, time, visible} from './format.js';
import {get, pathOf} from './api.js';

const pageSize = 50;

export async function loadParked(name, id, signal, after = 0) {
  const [list, page] = await Promise.all([
    get(pathOf(name, `parked?limit=500`), signal), get(pathOf(name, 'parked', id, `changes?limit=${pageSize}${after ? `&after=${after}` : ''}`), signal)]);
  return {transaction: list.items.find(item => item.id === Number(id)) ?? null, changes: page.items, next: page.next};
}

export function parkedView(context, name, id) {
  const details = context.state.details?.name === name && context.state.details.parkedID === id ? context.state.details : {};
  const {transaction, changes} = details;
  const head = [h('p', {class: 'back'}, h('a', {href: linkTo(name)}, `← ${visible(name)}`)),
    h('h1', {tabindex: -1}, `Parked transaction ${id}`)];
  if (transaction === undefined) return [...head, h('p', {class: 'empty'}, 'Asking the service …')];
  if (transaction === null) return [...head, h('p', {class: 'empty'}, 'It is parked no more: it was applied, or given up. The page of the pipeline says by whom.')];
  const settle = (action, done) => context.act(async () => {
    await context.send('POST', pathOf(name, 'parked', id, action));
    location.hash = linkTo(name);
  }, done);
  const tables = transaction.tables.map(visible).join(', ');
  return [
    ...head,
    h('section', {class: 'reason attention', 'aria-labelledby': 'why'}, h('h2', {id: 'why'}, 'Why'), h('p', {}, sentence(transaction.reason))),
    h('dl', {class: 'facts'},
      h('div', {}, h('dt', {}, 'Transaction'), h('dd', {}, visible(transaction.transaction), ', parked ', time(transaction.parkedAt, {ago: true}))),
      h('div', {}, h('dt', {}, 'Changes'), h('dd', {}, `${exact(transaction.changes)}${transaction.waitingChanges > 0 ? `, ${exact(transaction.waitingChanges)} of them of later transactions, which wait for it` : ''}; ids ${transaction.firstChangeID} to ${transaction.lastChangeID}`)),
      h('div', {}, h('dt', {}, 'Not exact'), h('dd', {}, tables))),
    h('div', {class: 'actions', role: 'group', 'aria-label': `What may be done with parked transaction ${id}`},
      h('button', {type: 'button', onclick: async () => await context.ask({title: `Retry parked transaction ${id}?`, verb: 'Retry', says: [
        `Its ${count(transaction.changes, 'change')} will be applied to ${tables}, in their order, with all that waits for it. If one fails again, all of them stay parked.`]})
        && settle('retry', `Parked transaction ${id} is applied`)}, 'Retry'),
      h('button', {type: 'button', class: 'danger', onclick: async () => await context.ask({title: `Skip parked transaction ${id}?`, verb: `Give up ${count(transaction.changes, 'change')}`, danger: true, says: [
        `Its ${count(transaction.changes, 'change')} of ${tables} will be given up for good. The target keeps its rows as they are, so they may differ from the source until they are repaired.`,
        'The audit log notes who did it.']}) && settle('skip', `Parked transaction ${id} is given up`)}, 'Skip')),
    h('h2', {}, 'Changes'),
    changes.map(change => changeView(change, change.changeID === transaction.changeID)),
    details.next != null && h('p', {}, h('button', {type: 'button', onclick: () => context.more(details.next)}, 'Show more changes')),
  ];
}

function changeView(change, isCause) {
  const [source, target] = [members(change.image), members(change.targetRow)];
  const title = `${change.operation} of ${visible(change.table)} ${visible(change.key ?? '')}`;
  const label = `change-${change.changeID}`;
  return h('article', {key: change.changeID, class: `change ${isCause ? 'cause' : ''}`, 'aria-labelledby': label},
    h('h3', {id: label}, h('span', {class: 'operation'}, change.operation), ' ', h('code', {}, visible(change.table)), ' ', h('code', {}, visible(change.key ?? '')),
      h('span', {class: 'of'}, ` change ${change.changeID}`), isCause && h('strong', {class: 'health failed'}, ' could not be applied'), change.isWaiting && h('span', {class: 'of'}, ' waits')),
    source || target ? h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title}, h('table', {class: 'images'},
      h('caption', {class: 'unseen'}, `${title}: both sides`),
      h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, 'Field'), h('th', {scope: 'col'}, source ? 'Source, after the change' : 'Source: the row is deleted'),
        h('th', {scope: 'col'}, target ? 'Target, now' : 'Target: has no such row'))),
      h('tbody', {}, [...new Set([...(source?.keys() ?? []), ...(target?.keys() ?? [])])].map(field => {
        const differs = source && target && source.get(field) !== target.get(field);
        return h('tr', {key: field, class: differs ? 'differs' : ''}, h('th', {scope: 'row'}, visible(field), differs && h('span', {class: 'flag'}, ' ≠ differs')),
          imageCell(source, field), imageCell(target, field));
      }))))
      : h('p', {class: 'empty'}, change.image || change.targetRow
        ? h('code', {}, `source ${visible(change.image ?? 'none')}, target ${visible(change.targetRow ?? 'none')}`) : 'Neither side has a row.'));
}

const imageCell = (image, field) => h('td', {class: 'value'}, image?.has(field) ? visible(image.get(field)) : h('span', {class: 'of'}, image ? 'has no such field' : 'no row'));
