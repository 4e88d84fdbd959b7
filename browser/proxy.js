// A network that fails when it is told to: a TCP proxy before the server.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

// startProxy returns a proxy before the server at an http address, until the test t is over:
//
//   address                where the proxy is, as http
//   down(), up()           ends all connections and lets none in, until it is up again
//   cut(octets, times)     ends all connections each time that many octets have passed, wherever in a
//                          message that is; fulfilled after the last time
//   downAfter(octets)      is down once that many octets have passed; fulfilled then
//
// The first request of each connection is given some headers, as proxies of operators do.
export async function startProxy(t, address, headers = {}) {
  const { hostname, port } = new URL(address);
  const open = new Set();
  const added = Object.entries(headers).map(([name, value]) => `\r\n${name}: ${value}`).join('');
  let up = true;
  let passed = 0;
  let limit = Infinity;
  let atLimit = () => {};

  function end() {
    for (const socket of open) socket.destroy();
  }

  function pass(from, to, lines = '') {
    open.add(from);
    from.on('data', data => {
      if (lines) {
        const end = data.indexOf('\r\n');
        data = Buffer.concat([data.subarray(0, end), Buffer.from(lines), data.subarray(end)]);
        lines = '';
      }
      const some = data.subarray(0, limit - passed);
      passed += some.length;
      if (passed < limit) {
        to.write(some);
        return;
      }
      passed = 0;
      from.pause(); // what comes until the end would follow a gap, and be an error of the protocol
      to.write(some, end);
      atLimit();
    });
    from.on('end', () => to.end());
    from.on('error', () => {}); // a close follows
    from.on('close', () => { open.delete(from); to.destroy(); });
  }

  const server = createServer({ allowHalfOpen: true }, near => {
    if (!up) {
      near.destroy();
      return;
    }
    const far = connect({ host: hostname, port, allowHalfOpen: true });
    pass(near, far, added);
    pass(far, near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => { server.close(); end(); });

  const proxy = {
    address: `http://127.0.0.1:${server.address().port}`,
    down() { up = false; end(); },
    up() { up = true; },
    cut(octets, times) {
      return new Promise(resolve => {
        passed = 0;
        limit = octets;
        atLimit = () => {
          if (--times > 0) return;
          limit = Infinity;
          resolve();
        };
      });
    },
    downAfter(octets) {
      return proxy.cut(octets, 1).then(proxy.down);
    },
  };
  return proxy;
}
