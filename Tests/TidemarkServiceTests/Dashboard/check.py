"""Uses the dashboard as a person does, in headless Chromium, and says of each claim whether it holds.

    check.py ADDRESS [--token SECRET] [--pipeline NAME]

ADDRESS is a running service, or fixture.py, which has the names and the states that a few claims are about. Ends with
status 1 where one does not hold.
"""
import argparse, json, sys, traceback, urllib.parse, urllib.request
from browser import Browser

options = argparse.ArgumentParser()
options.add_argument('address')
options.add_argument('--token')
options.add_argument('--pipeline', default='shop', help='one that is well and may be paused')
options.add_argument('--fixture', help='where fixture.py is that ADDRESS has its figures from, if it is not ADDRESS itself')
options = options.parse_args()
base = options.address.rstrip('/')
fixture = (options.fixture or base).rstrip('/')
failed = 0


def claim(text, holds, detail=''):
    global failed
    failed += 0 if holds else 1
    print(f'{"ok" if holds else "FAILED"}: {text}{"" if holds else f" ({detail})"}', flush=True)


def get(path):
    headers = {'Authorization': f'Bearer {options.token}'} if options.token else {}
    with urllib.request.urlopen(urllib.request.Request(base + path, headers=headers)) as answer:
        return json.load(answer)


def everything():
    found, after = [], None
    while True:
        page = get('/pipelines?' + urllib.parse.urlencode({'limit': 500, **({'after': after} if after else {})}))
        found += page['items']
        after = page.get('next')
        if after is None:
            return found


# Evaluated in the page: all texts whose contrast with what is behind them is below WCAG's AA.
CONTRAST = r'''(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = color => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * x + .7152 * y + .0722 * z; };
  const ground = element => { for (; element; element = element.parentElement) { const found = rgba(getComputedStyle(element).backgroundColor); if (found[3] > 250) return found; } return [255, 255, 255]; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({visibilityProperty: true}) || element.closest('.unseen, .skip, noscript')) continue;
    const style = getComputedStyle(element);
    const color = rgba(element.closest('svg') ? style.fill : style.color), behind = ground(element);
    const [a, b] = [light(color), light(behind)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if ((a + .05) / (b + .05) < (large ? 3 : 4.5)) found.push(`${walker.currentNode.data.trim().slice(0, 30)}: ${((a + .05) / (b + .05)).toFixed(2)}`);
  }
  return [...new Set(found)];
})()'''


def nameless(page):
    """What a screen reader would call nothing, and how many things it could use."""
    roles = {'button', 'link', 'textbox', 'searchbox', 'checkbox', 'radio', 'combobox', 'slider', 'dialog', 'table', 'region', 'progressbar', 'progressIndicator', 'heading', 'group', 'navigation'}
    needed = roles - {'group'}
    nodes = [node for node in page.send('Accessibility.getFullAXTree')['nodes'] if not node.get('ignored')]
    used = [(node['role']['value'], node.get('name', {}).get('value', '').strip()) for node in nodes if node.get('role', {}).get('value') in needed]
    return [role for role, name in used if not name], len(used)


def address(name):
    return f'{base}/#/pipelines/{urllib.parse.quote(name, safe="")}'


def overview(page, pipelines):
    page.open(f'{base}/#/')
    page.until(f'document.querySelectorAll(".list tbody tr").length === {len(pipelines)}')
    rows = page.run('[...document.querySelectorAll(".list tbody tr")].map(row => [row.querySelector(".health").className.split(" ").pop(), row.querySelector(".row-link").getAttribute("href"), row.innerText])')
    order = ['failed', 'attention', 'behind', 'paused', 'unknown', 'well']
    ranks = [order.index(row[0]) for row in rows]
    claim('the worst pipeline comes first', ranks == sorted(ranks), ranks)
    words = {'attention': 'needs attention', 'unknown': 'not known yet'}
    by_link = {urllib.parse.unquote(row[1].removeprefix('#/pipelines/')): row for row in rows}
    claim('every pipeline is shown with its health in words', all(words.get(item['health'], item['health']) in by_link[item['name']][2] for item in pipelines))
    unwell = [item for item in pipelines if item['health'] != 'well' and item.get('reason') and item['reason'].isascii()]
    flat = lambda text: ' '.join(text.split())
    claim('why a pipeline is not well is shown beside it', all(flat(item['reason']) in flat(by_link[item['name']][2]) for item in unwell), [item['name'] for item in unwell])
    claim('the heading says how many are how', str(len(pipelines)) in page.run('document.querySelector("h1").innerText') or len(pipelines) == 1)
    worst = rows[0][0] if rows else 'well'
    claim('title and icon tell the worst health', (words.get(worst, worst) in page.run('document.title'))
          and {'failed': '-failed', 'attention': '-attention', 'behind': '-attention'}.get(worst, 'icon.svg') in page.run('document.getElementById("icon").href'), page.run('document.title'))
    claim('counts of each health are buttons', page.run('document.querySelectorAll(".filters button").length') >= 1 + len({item['health'] for item in pipelines}))


def keyboard(page, pipelines):
    page.open(f'{base}/#/')
    page.until('document.querySelector(".row-link")')
    page.key('Tab')
    claim('Tab reaches the link past the header first', page.run('document.activeElement.className') == 'skip')
    found = set()
    for _ in range(30):
        page.key('Tab')
        found.add(page.run('document.activeElement.id || document.activeElement.className || document.activeElement.innerText'))
    claim('Tab reaches the filter and the pipelines', {'filter', 'row-link'} <= found, found)
    claim('the focus is visible', page.run('getComputedStyle(document.activeElement, "::after").outlineStyle') != 'none' or page.run('getComputedStyle(document.activeElement).outlineStyle') != 'none')
    page.key('/')
    claim('/ goes to the filter', page.run('document.activeElement.id') == 'filter')
    for letter in options.pipeline:
        page.key(letter)
    expected = sum(options.pipeline in f'{item["name"]} {item["activity"]} {item.get("reason")} {(item.get("status") or {}).get("source")} {(item.get("status") or {}).get("target")}'.lower() for item in pipelines)
    claim('typing there leaves what fits', page.until(f'document.querySelectorAll(".list tbody tr").length === {expected}'))
    page.key('Escape')
    page.until(f'document.getElementById("filter").value === "" && document.querySelectorAll(".list tbody tr").length === {len(pipelines)}')
    page.key('Escape')
    page.key('j')
    first = page.run('document.activeElement.innerText')
    page.key('j')
    claim('j and k go from pipeline to pipeline', page.run('document.activeElement.className') == 'row-link' and (len(pipelines) == 1 or page.run('document.activeElement.innerText') != first), [first, page.run('document.activeElement.outerHTML.slice(0, 300)')])
    page.key('k')
    page.key('Enter')
    claim('Enter opens it', page.until('document.querySelector("h1.name")') and page.run('document.activeElement.tagName') == 'H1')
    page.key('?')
    claim('? explains the keys', page.until('document.getElementById("dialog").open'))
    escape_dialog(page)
    page.key('Escape')
    claim('Esc goes back', page.until('document.querySelector("h1.verdict")'))


def escape_dialog(page):
    page.key('Escape')
    page.until('!document.getElementById("dialog").open')


def press(page, label):
    page.until(f'[...document.querySelectorAll("main button")].find(button => button.innerText === {json.dumps(label)})')
    page.run(f'[...document.querySelectorAll("main button")].find(button => button.innerText === {json.dumps(label)}).click()')
    page.until('document.getElementById("dialog").open')


def buttons(page):
    path = f'/pipelines/{urllib.parse.quote(options.pipeline, safe="")}'
    page.open(address(options.pipeline))
    press(page, 'Pause')
    claim('pausing is confirmed, with what it does', 'stays as it is' in page.run('document.getElementById("dialog").innerText'))
    escape_dialog(page)
    claim('what is not confirmed is not done', get(path)['activity'] != 'paused')
    press(page, 'Pause')
    # The button that does it has the focus.
    page.key('Enter')
    claim('the pipeline is paused, and may be resumed', page.until('[...document.querySelectorAll("main button")].some(button => button.innerText === "Resume")') and get(path)['health'] == 'paused')
    press(page, 'Resume')
    page.key('Enter')
    claim('and goes on', page.until('[...document.querySelectorAll("main button")].some(button => button.innerText === "Pause")') and get(path)['health'] != 'paused')


def plots(page):
    page.open(address(options.pipeline))
    page.until('document.querySelector(".chart-box")')
    page.run('document.querySelector(".chart-box").focus()')
    before = page.run('document.activeElement.getAttribute("aria-valuetext")')
    page.key('ArrowLeft')
    claim('a plot is read with the arrow keys', page.until(f'document.activeElement.getAttribute("aria-valuetext") !== {json.dumps(before)}'))
    claim('and as a table', page.run('document.querySelectorAll("details.as-table tbody tr").length') > 5)
    claim('the pipeline’s tables are listed', page.until('document.querySelector("[aria-label=Tables] tbody tr")'))


def looks(page, addresses):
    for scheme in ('light', 'dark'):
        page.send('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': scheme}])
        for width in (1400, 360):
            page.send('Emulation.setDeviceMetricsOverride', width=width, height=800, deviceScaleFactor=1, mobile=False)
            for place in addresses:
                page.open(place)
                page.until('document.querySelector("main table, main .empty, main form") && !document.querySelector("main").innerText.includes("Asking the service")')
                low = page.run(CONTRAST)
                claim(f'{place}: contrast, {scheme}, {width} px', not low, low)
                claim(f'{place}: nothing sticks out at {width} px', page.run('document.documentElement.scrollWidth <= innerWidth'), page.run('document.documentElement.scrollWidth'))
                if scheme == 'light' and width == 1400:
                    missing, count = nameless(page)
                    claim(f'{place}: all {count} things that a screen reader meets have names', not missing and count > 5, missing)
    page.send('Emulation.setDeviceMetricsOverride', width=1400, height=900, deviceScaleFactor=1, mobile=False)
    claim('there are landmarks and one heading of the first level', page.run('["header", "nav", "main", "footer"].every(name => document.querySelector(name)) && document.querySelectorAll("h1").length === 1'))


def leaving(page):
    """A browser has six connections to a server, and keeps pages that were left for a while."""
    waits = []
    for _ in range(10):
        page.open(f'{base}/#/')
        page.until('document.querySelector(".list tbody tr, .empty") && document.querySelector("#foot p")', seconds=120)
        waits.append(page.run('(found => found.requestStart - found.fetchStart)(performance.getEntriesByType("navigation")[0])'))
    claim('pages that were left keep no connection from the next one', max(waits) < 10_000, waits)


def fixture_only(page):
    """States and names that only fixture.py has."""
    become = lambda **told: urllib.request.urlopen(urllib.request.Request(f'{fixture}/become', json.dumps(told).encode(), method='POST')).read()
    page.open(f'{base}/#/')
    page.until('document.querySelector(".row-link")')
    page.run('window.isSame = true')
    become(name='tenant_007', health='failed', activity='stopped', reason='The disk of the target is full.')
    claim('a change of health appears by itself', page.until('document.querySelector(".list tbody").innerText.includes("The disk of the target is full.")') and page.run('window.isSame'))
    claim('and is announced', page.until('document.getElementById("announcer").innerText.includes("tenant_007: failed")'))
    # Whether the browser keeps a page that is left is up to it.
    page.run('dispatchEvent(new PageTransitionEvent("pagehide", {persisted: true}))')
    become(name='tenant_008', health='failed', activity='stopped', reason='The key of the target is gone.')
    page.run('dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}))')
    claim('a page that was left and gone back to is current again', page.until('document.querySelector(".list tbody").innerText.includes("The key of the target is gone.")') and page.run('window.isSame'))
    claim('markup in names stays text', page.run('document.body.innerText.includes("<img src=x") && !document.querySelector("main img") && window.hostile === undefined'))
    if fixture == base:
        become(isSilent=True)
        claim('without a connection it says since when, and of when the figures are',
              page.until('/No connection since [0-9:]+, for .*The figures are of [0-9:]+/.test(document.getElementById("connection").innerText)')
              and page.run('document.title.includes("no connection") && document.getElementById("icon").href.includes("failed")'))
        become(isSilent=False)
        claim('and takes it up again by itself', page.until('document.getElementById("connection").innerText === "" && window.isSame'))
    page.open(address('orders') + '/parked/7')
    page.until('document.querySelector("article.change")')
    text = page.run('document.querySelector("article.change").innerText')
    claim('numbers of images are shown to the last digit', '9007199254740993' in text and '9007199254740992' in text, text)
    claim('fields that differ are marked', page.run('[...document.querySelectorAll("tr.differs th")].map(cell => cell.innerText.split(" ")[0])') == ['id', 'note'])
    claim('markup in images stays text', page.run('!document.querySelector("main img") && window.hostile === undefined'))
    press(page, 'Skip')
    claim('giving up begins at Cancel', page.run('document.activeElement.innerText') == 'Cancel')
    escape_dialog(page)
    press(page, 'Retry')
    page.key('Enter')
    claim('retrying goes back to the pipeline', page.until('document.querySelector("h1.name")'))
    page.open(address('shop'))
    claim('a pipeline whose target is written by others lists its conflicts', page.until('document.querySelector("#conflicts table")?.innerText.includes("update-update")')
          and '31 of public.stock' in page.run('document.getElementById("conflicts").innerText'))
    page.open(address('shop') + '/conflicts/12')
    page.until('document.querySelector("table.images")')
    claim('a conflict has both images side by side, and says where they differ',
          page.run('[...document.querySelectorAll("tr.differs th")].map(cell => cell.innerText.split(" ")[0])') == ['name', 'stock', 'price', 'at']
          and '9007199254740993' in page.run('document.querySelector("table.images").innerText'))
    claim('markup in them stays text', page.run('!document.querySelector("main img") && window.hostile === undefined'))
    press(page, 'Target …')
    claim('putting one back begins at Cancel', page.run('document.activeElement.innerText') == 'Cancel')
    page.run('document.querySelector("#dialog button.danger").click()')
    claim('and shows who did it', page.until('document.querySelector("main").innerText.includes("by ann")'))
    page.open(address('geo'))
    press(page, 'Pause')
    page.key('Enter')
    claim('a refusal is shown with its title and detail', page.until('document.querySelector("#problem strong")?.innerText') and 'Cancel the copy first' in page.run('document.getElementById("problem").innerText'))
    page.open(f'{base}/#/tasks/new?pipeline=shop&kind=repair')
    page.until('document.querySelector("form.form select option")')
    page.run('document.querySelector("form.form button.main").click()')
    page.until('document.getElementById("dialog").open')
    claim('a repair says that it overwrites', 'overwrites' in page.run('document.getElementById("dialog").innerText'))
    page.run('document.querySelector("#dialog button.danger").click()')
    claim('a task is created', page.until('location.hash === "#/tasks" && document.querySelector("main table").innerText.includes("repair")'))
    sent = [(item['method'], item['path'], item['body']) for item in json.load(urllib.request.urlopen(fixture + '/sent'))]
    claim('what was sent is what was confirmed', sent == [
        ('POST', f'/pipelines/{options.pipeline}/pause', None), ('POST', f'/pipelines/{options.pipeline}/resume', None), ('POST', '/pipelines/orders/parked/7/retry', None),
        ('POST', '/pipelines/shop/conflicts/12/restore', {'image': 'target'}),
        ('POST', '/pipelines/geo/pause', None), ('POST', '/sync/tasks', {'pipeline': 'shop', 'kind': 'repair', 'tables': [], 'execute': True})], sent)


def main():
    with Browser() as browser:
        page = browser.page()
        page.send('Emulation.setDeviceMetricsOverride', width=1400, height=900, deviceScaleFactor=1, mobile=False)
        page.open(base + '/')
        if options.token:
            page.until('document.getElementById("dialog").open')
            claim('a service with tokens is asked with one', page.run('document.activeElement.type') == 'password')
            page.send('Input.insertText', text=options.token)
            page.key('Enter')
            claim('and answers then', page.until('document.querySelector("h1.verdict")'))
            claim('the token is in the tab only', page.run('localStorage.length === 0 && sessionStorage.length === 1'))
        pipelines = everything()
        overview(page, pipelines)
        keyboard(page, pipelines)
        buttons(page)
        plots(page)
        leaving(page)
        unwell = sorted(pipelines, key=lambda item: ['failed', 'attention', 'behind', 'paused', 'unknown', 'well'].index(item['health']))[0]
        looks(page, [f'{base}/#/', address(unwell['name']), f'{base}/#/tasks', f'{base}/#/tasks/new', *([address('orders') + '/parked/7', address('shop') + '/conflicts/11'] if any(item['name'] == 'orders' for item in pipelines) else [])])
        if any(item['name'].startswith('<img') for item in pipelines):
            fixture_only(page)
        elsewhere = [url for url in page.requested if not url.startswith(base) and not url.startswith('about:')]
        claim('nothing is asked of any other server', not elsewhere, elsewhere)
        # Of requests that are meant to be refused, the browser itself tells.
        complaints = [text for text in page.complaints if not (('401' in text and options.token) or '409' in text or ('ERR_EMPTY_RESPONSE' in text and fixture == base))]
        claim('the console is empty', not complaints, complaints)


try:
    main()
except Exception:
    claim('the page was used to the end', False, traceback.format_exc())
sys.exit(1 if failed else 0)
