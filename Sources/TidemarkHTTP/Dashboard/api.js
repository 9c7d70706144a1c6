// The service's API, and its live stream.
const tokenKey = 'tidemark.token';
let token = null;
try { token = sessionStorage.getItem(tokenKey); } catch { /* storage is off: the token lasts as long as the page */ }

export const hasToken = () => token !== null;
export function setToken(text) {
  token = text || null;
  try { token ? sessionStorage.setItem(tokenKey, token) : sessionStorage.removeItem(tokenKey); } catch { /* as above */ }
}

/** What the service answered instead, as problem+json. */
export class Problem extends Error {
  constructor({title, detail, status, remedy, type}) {
    super(title);
    Object.assign(this, {title, detail, status, remedy, type});
  }
}

async function answered(path, options) {
  const headers = {Accept: 'application/json', ...options.headers};
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, {cache: 'no-store', ...options, headers});
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem({title: 'The service does not answer', detail: String(error.message ?? error), status: 0,
      remedy: 'Does it run? On its machine, type: systemctl status tidemark, or tidemark serve …'});
  }
  if (response.ok) return response;
  let told = {};
  try { told = await response.json(); } catch { /* a proxy may answer in its own words */ }
  throw new Problem({title: `The service answered ${response.status} ${response.statusText}`, ...told, status: response.status});
}

export const get = async (path, signal) => (await answered(path, {signal})).json();

/** The type keeps pages of other sites from sending it. */
export async function send(method, path, body) {
  const response = await answered(path, {
    method, headers: {'Content-Type': 'application/json', 'X-Tidemark': '1'}, body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}

/** All pages of a list. */
export async function all(path, signal, itemsMax = 5000) {
  const found = [];
  for (let after = null; ;) {
    const query = new URLSearchParams({limit: 500, ...(after === null ? {} : {after})});
    const page = await get(`${path}${path.includes('?') ? '&' : '?'}${query}`, signal);
    found.push(...page.items);
    if (page.next == null || found.length >= itemsMax) return found;
    after = page.next;
  }
}

/**
 * Moments as they come. EventSource cannot send a token, so this reads the stream itself. Ends when the stream ends, or
 * when not even a keep-alive came for a while.
 */
export async function moments(take, signal) {
  const silence = new AbortController();
  const bothSignals = AbortSignal.any([signal, silence.signal]);
  const response = await answered('/events', {signal: bothSignals, headers: {Accept: 'text/event-stream'}});
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '', timer;
  try {
    for (;;) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), 40_000);
      const {done, value} = await reader.read();
      if (done) return;
      const blocks = (rest + value).replace(/\r\n?/g, '\n').split('\n\n');
      rest = blocks.pop();
      for (const block of blocks) {
        const data = block.split('\n').filter(line => line.startsWith('data:')).map(line => line.slice(5).replace(/^ /, '')).join('\n');
        if (data) take(JSON.parse(data));
      }
    }
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => {});
  }
}

export const pathOf = (name, ...rest) => ['/pipelines', encodeURIComponent(name), ...rest].join('/');
