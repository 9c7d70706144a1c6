"""Chromium, driven through its DevTools protocol over a pipe; nothing but the standard library."""
import json, os, shutil, subprocess, tempfile, time


class Browser:
    def __enter__(self):
        self.profile = tempfile.mkdtemp(prefix='tidemark-chromium-')
        ours, theirs = os.pipe(), os.pipe()

        def hand_over():
            # Chromium reads from 3 and writes to 4; neither may be overwritten before it is moved.
            reading, writing = os.dup2(ours[0], 20), os.dup2(theirs[1], 21)
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        self.process = subprocess.Popen(
            ['chromium', '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking',
             '--disable-component-update', '--remote-debugging-pipe', f'--user-data-dir={self.profile}', 'about:blank'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=hand_over)
        os.close(ours[0])
        os.close(theirs[1])
        self.to, self.answers, self.rest = ours[1], theirs[0], b''
        self.last, self.events = 0, []
        return self

    def __exit__(self, *_):
        try:
            self.send(None, 'Browser.close')
        except (OSError, EOFError):
            pass
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.profile, ignore_errors=True)

    def message(self):
        while b'\0' not in self.rest:
            found = os.read(self.answers, 1 << 20)
            if not found:
                raise EOFError('Chromium has ended')
            self.rest += found
        text, self.rest = self.rest.split(b'\0', 1)
        return json.loads(text)

    def send(self, session, method, **params):
        self.last += 1
        request = {'id': self.last, 'method': method, 'params': params, **({'sessionId': session} if session else {})}
        os.write(self.to, json.dumps(request).encode() + b'\0')
        while True:
            told = self.message()
            if told.get('id') == self.last:
                if 'error' in told:
                    raise RuntimeError(f'{method}: {told["error"]}')
                return told['result']
            self.events.append(told)

    def page(self):
        target = self.send(None, 'Target.createTarget', url='about:blank')['targetId']
        return Page(self, self.send(None, 'Target.attachToTarget', targetId=target, flatten=True)['sessionId'])


class Page:
    def __init__(self, browser, session):
        self.browser, self.session = browser, session
        for domain in ('Page', 'Runtime', 'Log', 'Accessibility', 'Network'):
            self.send(f'{domain}.enable')

    def send(self, method, **params):
        return self.browser.send(self.session, method, **params)

    def open(self, address):
        # Another fragment of the same page would be no new page.
        self.send('Page.navigate', url='about:blank')
        self.send('Page.navigate', url=address)
        self.until('document.readyState === "complete"')

    def run(self, script):
        found = self.send('Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in found:
            raise RuntimeError(f'{script}: {found["exceptionDetails"]}')
        return found['result'].get('value')

    def until(self, script, seconds=60):
        """Asks the page itself until it is so."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            if time.monotonic() > end:
                raise AssertionError(f'not so within {seconds} s: {script}\n{self.run("document.body.innerText")[:1500]}')
            time.sleep(0.05)
        return found

    def key(self, key, text=None, modifiers=0):
        codes = {'Tab': 9, 'Enter': 13, 'Escape': 27, 'ArrowLeft': 37, 'ArrowRight': 39}
        code = codes.get(key, ord(key.upper()) if len(key) == 1 else 0)
        text = text if text is not None else '\r' if key == 'Enter' else key if len(key) == 1 else ''
        self.send('Input.dispatchKeyEvent', type='keyDown', key=key, text=text, windowsVirtualKeyCode=code, modifiers=modifiers)
        self.send('Input.dispatchKeyEvent', type='keyUp', key=key, windowsVirtualKeyCode=code, modifiers=modifiers)

    @property
    def complaints(self):
        """What the console would show in red, and requests to elsewhere."""
        found = []
        for event in self.browser.events:
            params = event.get('params', {})
            if event.get('method') == 'Runtime.exceptionThrown':
                found.append(params['exceptionDetails'].get('exception', {}).get('description') or params['exceptionDetails']['text'])
            if event.get('method') == 'Log.entryAdded' and params['entry']['level'] in ('error', 'warning'):
                found.append(f'{params["entry"]["text"]} {params["entry"].get("url", "")}')
            if event.get('method') == 'Runtime.consoleAPICalled' and params['type'] in ('error', 'warning', 'assert'):
                found.append(str(params['args']))
        return found

    @property
    def requested(self):
        return [event['params']['request']['url'] for event in self.browser.events if event.get('method') == 'Network.requestWillBeSent']
