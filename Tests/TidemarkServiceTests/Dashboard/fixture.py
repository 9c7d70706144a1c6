"""A service that is none: answers the dashboard and `tidemark top` as `tidemark serve` does, with figures made up here.

    fixture.py FOLDER [--port 0] [--scenario many|one|none] [--token SECRET]

Prints its address, then serves until its stdin ends. What was sent to it: GET /sent.
"""
import argparse, json, math, os, sys, threading, time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

HOSTILE = '<img src=x onerror="window.hostile=1">\u202e&lt;b&gt;'
options = argparse.ArgumentParser()
options.add_argument('folder')
options.add_argument('--port', type=int, default=0)
options.add_argument('--scenario', default='many')
options.add_argument('--token')
options = options.parse_args()
began = time.time()
sent, lock = [], threading.Lock()
is_silent = threading.Event()


def iso(seconds_ago=0):
    return datetime.fromtimestamp(time.time() - seconds_ago, timezone.utc).isoformat(timespec='milliseconds').replace('+00:00', 'Z')


def table(name, copy='done', rows=1_204_331, expected=1_204_331, **proof):
    return {'table': name, 'copy': copy, 'copiedRows': rows, 'copiedBytes': rows * 96, 'expectedRows': expected, **proof}


def pipeline(name, health='well', activity='following', summary='well', **more):
    status = {
        'pipeline': name, 'state': 'current', 'source': f'postgresql://db1.example/{name}', 'target': f'postgresql://db2.example/{name}',
        'parkedTransactions': 0, 'parkedChanges': 0, 'notExactTables': [], 'appliedID': 48151623, 'sourceID': 48151642, 'pendingChanges': 19, 'pendingSeconds': 0.2, 'appliedAt': iso(0.2).replace('T', ' ').replace('Z', '+00'),
        'worker': 'db2-4711-a1', 'logBytes': 734003200, 'logRows': 1200000, 'logMaxBytes': 8 << 30, 'atMaxLogSize': 'warn', 'logFullInSeconds': None,
        'sourceRole': 'primary', 'sourceRoleSince': iso(86400 * 9), 'targetRole': 'replica', 'targetRoleSince': iso(86400 * 9), 'isTargetGuarded': True, 'tables': []}
    status.update(more.pop('status', {}))
    figures = {
        'appliedChanges': 91_204_331, 'appliedBytes': 9 << 30, 'windows': 88_120, 'lastWindowChanges': 812, 'lastWindowSeconds': 0.041,
        'copiedRows': 0, 'copiedBytes': 0, 'takeovers': 1, 'errors': {}, 'appliedChangesPerSecond': 12312.4, 'capturedChangesPerSecond': 12290.1,
        'pendingChanges': 19, 'pendingTransactions': 2, 'pendingBytes': 4096, 'pendingSeconds': 0.21, 'endToEndSeconds': 0.184}
    figures.update(more.pop('figures', {}))
    lease = {'holder': 'host1-812-9f3c', 'epoch': 12, 'isMine': True, 'remainingSeconds': 7.4}
    return {
        'name': name, 'health': health, 'activity': activity, 'summary': summary, 'reason': None, 'onFailure': 'stop', 'retryAt': None, 'failures': 0,
        'lastError': None, 'lease': lease, 'figures': figures, 'status': status, 'statusAt': iso(2), 'parkedTransactions': 0, 'parkedChanges': 0,
        'notExactTables': [], **more}


def many():
    found = [pipeline('shop', status={'conflicts': [
        {'table': 'public.stock', 'conflicts': 31, 'lastAt': iso(90)}, {'table': 'public.customer', 'conflicts': 2, 'lastAt': iso(4000)}]}, lastError={
        'kind': 'connection', 'what': 'the source cannot be reached: it was starting up', 'at': iso(5400), 'resolvedAt': iso(5390)})]
    found.append(pipeline(
        'billing', 'failed', 'stopped', 'failed, 3 min behind', failures=1,
        reason='The table public.invoice lacks the column "vat_id" in the target (change 48151599, key {"id": 8812}). Add it, then type: tidemark run --pipeline billing, or press Run now.',
        lastError={'kind': 'data', 'what': 'column "vat_id" of relation "invoice" does not exist', 'at': iso(190)},
        figures={'pendingSeconds': 191.0, 'pendingChanges': 48_211, 'appliedChangesPerSecond': 0, 'errors': {'data': 1, 'connection': 3}}))
    found.append(pipeline(
        'orders', 'attention', 'following', 'tables are not exact, 0.3 s behind', onFailure='set-aside',
        reason='1 transaction is parked; public.order_line is not exact. To see it, type: tidemark parked list --pipeline orders',
        parkedTransactions=1, parkedChanges=3, notExactTables=['public.order_line']))
    found.append(pipeline(
        'analytics', 'attention', 'following', 'the log is 94 % full',
        reason='The change log is 7.5 GB of 8.0 GB and full in about 12 min. tidemark check --pipeline analytics says what keeps it from being pruned.',
        status={'logBytes': int(7.5 * (1 << 30)), 'logFullInSeconds': 730.0, 'heldBackBy': 'session 8812 (report.py), open for 5 h'}))
    found.append(pipeline(
        'geo', 'behind', 'copying', 'copying: 41 %, 95 s behind', reason='Tables are being copied: 3 of 12 are done.',
        figures={'pendingSeconds': 95.0, 'pendingChanges': 1_204_000, 'appliedChangesPerSecond': 0, 'endToEndSeconds': None}))
    found.append(pipeline('archive', 'behind', 'backing off', 'the target does not answer, 40 s behind', retryAt=iso(-8), failures=4, onFailure='retry',
        reason='postgresql://db4.example/archive does not answer: connection refused. It is tried again.', figures={'pendingSeconds': 40.0, 'pendingChanges': 900}))
    found.append(pipeline('legacy', 'paused', 'paused', 'paused since 14:02 by ann', reason='ann paused it. To go on, type: tidemark resume --pipeline legacy',
        status={'pausedAt': iso(7200), 'pausedBy': 'ann@host1'}, figures={'pendingSeconds': 7200.0, 'pendingChanges': 88_000, 'appliedChangesPerSecond': 0}))
    found.append(pipeline('fresh', 'unknown', 'starting', 'starting', status={'logMaxBytes': None, 'atMaxLogSize': None}, lease=None))
    found[-1]['status'], found[-1]['statusAt'] = None, None
    found[-1]['figures'].update(pendingChanges=None, pendingTransactions=None, pendingSeconds=None, pendingBytes=None, endToEndSeconds=None)
    found.append(pipeline(HOSTILE, 'attention', 'standby', HOSTILE, reason=HOSTILE + ' type: tidemark check', notExactTables=[HOSTILE]))
    found += [pipeline(f'tenant_{number:03}', figures={'pendingSeconds': number / 100, 'appliedChangesPerSecond': number * 3.7, 'capturedChangesPerSecond': number * 3.7}) for number in range(1, 92)]
    return found


pipelines = {'many': many, 'one': lambda: [pipeline('shop')], 'none': list}[options.scenario]()
pipelines = {item['name']: item for item in pipelines}
parked = [{
    'id': 7, 'pipeline': 'orders', 'transaction': '99120', 'parkedAt': iso(600), 'table': 'public.order_line', 'key': '{"id": 9007199254740993}', 'changeID': 48150001,
    'reason': 'value too long for type character varying(20), column "note". Make the column wider in the target, then type: tidemark parked retry 7 --pipeline orders',
    'changes': 3, 'together': [], 'waitingChanges': 1, 'firstChangeID': 48150001, 'lastChangeID': 48150040, 'tables': ['public.order_line']}]
changes = [
    {'changeID': 48150001, 'table': 'public.order_line', 'operation': 'update', 'key': '{"id": 9007199254740993}', 'isWaiting': False,
     'image': '{"id": 9007199254740993, "order_id": 12, "note": "' + HOSTILE.replace('"', '\\"') + ' please leave at the door of the neighbour", "total": 12.50, "extra": {"gift": true, "tags": ["a", "b"]}}',
     'targetRow': '{"id":9007199254740992,"order_id":12,"note":"please leave","total":12.50,"extra":{"gift":true,"tags":["a","b"]}}'},
    {'changeID': 48150002, 'table': 'public.order_line', 'operation': 'delete', 'key': '{"id": 13}', 'isWaiting': False, 'image': None, 'targetRow': '{"id": 13, "order_id": 12, "note": null}'},
    {'changeID': 48150040, 'table': 'public.order_line', 'operation': 'insert', 'key': '{"id": 14}', 'isWaiting': True, 'image': '{"id": 14, "order_id": 12, "note": ""}', 'targetRow': None}]
conflicts = [
    {'id': 12, 'pipeline': 'shop', 'at': iso(90), 'table': 'public.stock', 'key': '{"id": 9007199254740993}', 'kind': 'update-update', 'changeID': 48150777,
     'before': '{"id": 9007199254740993, "name": "tea", "stock": 10, "price": 4.50, "at": "2026-03-01T08:00:00.000000+00:00"}',
     'source': '{"id": 9007199254740993, "name": "tea", "stock": 7, "price": 4.50, "at": "2026-03-01T09:00:00.000001+00:00"}',
     'target': '{"id": 9007199254740993, "name": "' + HOSTILE.replace('"', '\\"') + '", "stock": 8, "price": 4.75, "at": "2026-03-01T09:00:00.000002+00:00"}',
     'outcome': '{"id": 9007199254740993, "name": "' + HOSTILE.replace('"', '\\"') + '", "stock": 5, "price": 4.75, "at": "2026-03-01T09:00:00.000002+00:00"}',
     'strategy': 'merge', 'result': 'merged'},
    {'id': 11, 'pipeline': 'shop', 'at': iso(4000), 'table': 'public.customer', 'key': '{"id": 4}', 'kind': 'delete-update', 'changeID': 48149001, 'origin': 'c0ffee/16384/1',
     'before': '{"id": 4, "name": "Ann"}', 'target': '{"id": 4, "name": "Anne"}', 'outcome': '{"id": 4, "name": "Anne"}', 'strategy': 'last-write-wins', 'result': 'target',
     'restoredAt': iso(3000), 'restoredBy': 'ops'}]
audit = [{'at': iso(600), 'by': 'host1-812-9f3c', 'action': 'parked', 'parked': 7, 'changes': 3, 'tables': ['public.order_line'], 'detail': None}]


def task(number, pipeline, kind, state, **more):
    return {'id': f't{number}', 'pipeline': pipeline, 'kind': kind, 'tables': [], 'existing': None, 'state': state, 'progress': 1.0 if state == 'completed' else 0.0, 'recordsSynced': 0,
            'differences': None, 'error': None, 'createdAt': iso(3600 - number), 'createdBy': 'ann', 'startedAt': None, 'endedAt': None, **more}


tasks = [] if options.scenario == 'none' else [
    task(3, 'shop', 'verify', 'running', progress=0.42, recordsSynced=1_300_000, startedAt=iso(40), tables=['public.*']),
    task(2, 'shop', 'repair', 'failed', error='postgresql://db2.example/shop does not answer: connection refused', recordsSynced=412),
    task(1, 'shop', 'verify', 'completed', recordsSynced=9_120_000, differences=2)]


def service():
    health = {}
    for item in pipelines.values():
        health[item['health']] = health.get(item['health'], 0) + 1
    return {'version': '0.1.0', 'instance': 'host1-812-9f3c', 'startedAt': iso(86400 * 3 + time.time() - began), 'configuration': '/etc/tidemark/tidemark.yaml',
            'pipelines': len(pipelines), 'leading': len(pipelines), 'health': health, 'isReady': True, 'notReadyBecause': None}


def history(item):
    found = []
    for number in range(300):
        wave = 1 + 0.4 * math.sin(number / 17) + 0.15 * math.sin(number * 1.7)
        figures = item['figures']
        found.append({'at': iso((300 - number) * 5), 'pendingChanges': None if figures['pendingChanges'] is None else int(figures['pendingChanges'] * wave),
                      'pendingSeconds': None if figures['pendingSeconds'] is None else figures['pendingSeconds'] * wave,
                      'endToEndSeconds': None if 120 < number < 140 or figures['endToEndSeconds'] is None else figures['endToEndSeconds'] * wave,
                      'appliedChangesPerSecond': figures['appliedChangesPerSecond'] * wave, 'capturedChangesPerSecond': figures['capturedChangesPerSecond'] * (2 - wave),
                      'logBytes': None if item['status'] is None else int(item['status']['logBytes'] * (0.6 + number / 750))})
    return found


def tables_of(item):
    proof = {'verifiedAt': iso(5400), 'verifiedSnapshot': '9812:9812:', 'verifiedRows': 1_204_331, 'differences': 0}
    found = [table(f'public.t{number:02}', **proof) for number in range(1, 12)]
    if item['activity'] == 'copying':
        found[3:] = [table('public.track', 'copying', 4_120_000, 9_800_000), table('public.tile', 'copying', 55_000, 0), table('public.way', 'waiting', 0, 120_000_000)]
    found.append(table('public.order_line', **proof))
    found.append(table('public.price', **{**proof, 'differences': 4}))
    found.append(table(HOSTILE))
    return found


TYPES = {'html': 'text/html; charset=utf-8', 'js': 'text/javascript; charset=utf-8', 'css': 'text/css; charset=utf-8', 'svg': 'image/svg+xml'}


class Answer(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def reply(self, status, body, type='application/json', **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {'Content-Type': type, 'Content-Length': len(data), 'Cache-Control': 'no-store', **headers}.items():
            self.send_header(name.replace('_', '-'), str(value))
        self.end_headers()
        self.wfile.write(data)

    def problem(self, status, title, detail, **headers):
        self.reply(status, {'type': 'about:blank', 'title': title, 'status': status, 'detail': detail}, 'application/problem+json', **headers)

    def page(self, items, identity):
        query = self.query
        limit, after = int(query.get('limit', ['100'])[0]), query.get('after', [None])[0]
        start = next((place + 1 for place, item in enumerate(items) if str(item[identity]) == after), 0)
        shown = items[start:start + limit]
        self.reply(200, {'items': shown, 'next': str(shown[-1][identity]) if start + limit < len(items) else None})

    def static(self, name):
        with open(os.path.join(options.folder, os.path.basename(name)), 'rb') as file:
            self.reply(200, file.read(), TYPES[name.rsplit('.', 1)[1]], Content_Security_Policy="default-src 'self'", X_Content_Type_Options='nosniff')

    def is_known(self):
        if is_silent.is_set():
            self.close_connection = True
            return False
        if not options.token or self.headers.get('Authorization') == f'Bearer {options.token}':
            return True
        self.problem(401, 'Who are you?', 'Send a token: Authorization: Bearer …', WWW_Authenticate='Bearer')
        return False

    def read(self):
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        return parts.path, [unquote(part) for part in parts.path.split('/')[1:]], body

    def do_GET(self):
        path, parts, _ = self.read()
        if path == '/':
            return self.static('index.html')
        if parts[0] == 'dashboard':
            return self.static(parts[-1])
        if path == '/sent':
            return self.reply(200, sent)
        if not self.is_known():
            return
        if path == '/service':
            return self.reply(200, service())
        if path == '/sync/tasks':
            return self.page(tasks, 'id')
        if path == '/events':
            return self.events()
        if path == '/pipelines':
            return self.page(sorted(pipelines.values(), key=lambda item: item['name']), 'name')
        item = pipelines.get(parts[1]) if parts[0] == 'pipelines' else None
        if item is None:
            return self.problem(404, 'Not found', f'There is no pipeline {parts[-1]}.')
        mine = parked if parts[1] == 'orders' else []
        return {
            None: lambda: self.reply(200, item), 'tables': lambda: self.page(tables_of(item), 'table'), 'history': lambda: self.reply(200, {'items': history(item)}),
            'parked-audit': lambda: self.reply(200, {'items': audit if mine else []}),
            'conflicts': lambda: self.conflicts(parts),
            'parked': lambda: self.page(changes, 'changeID') if parts[-1] == 'changes' else self.page(mine, 'id'),
        }[parts[2] if len(parts) > 2 else None]()

    def conflicts(self, parts):
        if len(parts) == 3:
            return self.page(sorted(conflicts, key=lambda item: -item['id']), 'id')
        found = next((item for item in conflicts if str(item['id']) == parts[3]), None)
        return self.reply(200, found) if found else self.problem(404, 'Not found', f'There is no conflict {parts[3]}.')

    def events(self):
        self.send_response(200)
        self.send_header('Content-Type', 'text/event-stream')
        self.send_header('Connection', 'close')
        self.end_headers()
        try:
            while not is_silent.is_set():
                moment = {'service': service(), 'pipelines': list(pipelines.values()), 'tasks': tasks}
                self.wfile.write(f': as it is\n\nevent: moment\ndata: {json.dumps(moment)}\n\n'.encode())
                self.wfile.flush()
                time.sleep(1)
        except OSError:
            pass
        self.close_connection = True

    def change(self):
        path, parts, body = self.read()
        if path == '/become':
            # Of tests: another state of a pipeline.
            told = json.loads(body)
            if 'isSilent' in told:
                (is_silent.set if told['isSilent'] else is_silent.clear)()
                return self.reply(200, {})
            pipelines[told['name']].update(told)
            return self.reply(200, {})
        if not self.is_known():
            return
        if self.headers.get('Content-Type') != 'application/json':
            return self.problem(415, 'Not JSON', 'Send Content-Type: application/json.')
        with lock:
            sent.append({'method': self.command, 'path': path, 'body': json.loads(body) if body else None, 'token': self.headers.get('Authorization')})
        if parts[0] == 'pipelines' and parts[-1] in ('pause', 'resume', 'run'):
            item = pipelines[parts[1]]
            if item['name'] == 'geo' and parts[-1] == 'pause':
                return self.problem(409, 'Not now', 'Tables of geo are being copied. Cancel the copy first: tidemark serve lists it under Tasks.')
            item.update({'pause': {'health': 'paused', 'activity': 'paused', 'summary': 'paused'}, 'resume': {'health': 'well', 'activity': 'following', 'summary': 'well'},
                         'run': {'activity': 'starting'}}[parts[-1]])
            return self.reply(200, item)
        if parts[-1] in ('retry', 'skip'):
            done, parked[:] = parked[0], []
            pipelines['orders'].update(parkedTransactions=0, parkedChanges=0, notExactTables=[], health='well', reason=None)
            return self.reply(200, {'at': iso(), 'by': 'ann', 'action': 'retried', 'parked': done['id'], 'changes': 3, 'tables': done['tables'], 'detail': None})
        if parts[-1] == 'restore':
            found = next(item for item in conflicts if str(item['id']) == parts[3])
            found.update(restoredAt=iso(), restoredBy='ann')
            return self.reply(200, found)
        if parts[-1] == 'verify' or path == '/sync/tasks':
            told = json.loads(body or '{}')
            made = task(len(tasks) + 1, told.get('pipeline', parts[1]), told.get('kind', 'verify'), 'running', tables=told.get('tables') or [])
            tasks.insert(0, made)
            return self.reply(202, made)
        found = next((item for item in tasks if item['id'] == parts[2]), None)
        if found and self.command == 'DELETE':
            tasks.remove(found)
            self.send_response(204)
            return self.end_headers()
        if found:
            found['state'] = {'execute': 'running', 'cancel': 'cancelled'}[parts[-1]]
            return self.reply(202, found)
        self.problem(404, 'Not found', f'There is nothing at {path}.')

    do_POST = do_DELETE = change


server = ThreadingHTTPServer(('127.0.0.1', options.port), Answer)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f'http://127.0.0.1:{server.server_port}', flush=True)
sys.stdin.read()
