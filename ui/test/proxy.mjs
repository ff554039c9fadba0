// A reverse proxy between the browser and the daemon: below a path, which it takes away or leaves, and with a stream of
// events that it can hold back, as a proxy does that buffers or that has lost the other side.
import { createServer, request } from 'node:http';

/** `base` is the path below which the daemon is, like `/backup`; `takesAway` that the daemon does not see it. */
export function proxy(port, target, { base = '', takesAway = false } = {}) {
  const state = {
    /** What was asked outside of the path. */
    outside: [],
    /** No event comes through. */
    held: false,
    /** Sends this to everybody who listens to events, as if the daemon had said it. */
    say: (text) => listening.forEach((to) => to.write(text)),
    /** How many requests there were by path, without what is asked in it. */
    asked: new Map(),
    close: () => (server.closeAllConnections(), server.close()),
  };
  const listening = new Set();
  const server = createServer((from, to) => {
    const plain = from.url.split('?')[0];
    state.asked.set(plain, (state.asked.get(plain) ?? 0) + 1);
    if (!from.url.startsWith(`${base}/`)) {
      state.outside.push(from.url);
      to.writeHead(404).end();
      return;
    }
    const streams = plain.endsWith('/api/v1/events');
    if (streams && state.held) return;
    const path = takesAway ? from.url.slice(base.length) : from.url;
    const onward = request({ host: '127.0.0.1', port: target, path, method: from.method, headers: from.headers }, (answer) => {
      to.writeHead(answer.statusCode, answer.headers);
      to.flushHeaders();
      if (streams) listening.add(to);
      if (streams) answer.on('data', (bytes) => state.held || to.write(bytes)).on('end', () => to.end());
      else answer.pipe(to);
    });
    onward.on('error', () => to.destroy());
    to.on('close', () => (listening.delete(to), onward.destroy()));
    from.pipe(onward);
  });
  return new Promise((done) => server.listen(port, '127.0.0.1', () => done(state)));
}
