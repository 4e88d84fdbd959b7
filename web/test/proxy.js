// A network that fails: a TCP proxy that resets its connections after so many octets.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

// cuttingProxy starts a proxy to an address such as ws://127.0.0.1:8000 until the test t is over. For each connection,
// octets() says how many the client and the server may send. It returns the proxy's address and counts the cuts. There
// are no more of them once cutting is false.
export async function cuttingProxy(t, address, octets) {
  const { hostname, port } = new URL(address);
  const proxy = { address: '', cuts: 0, cutting: true };
  const sockets = new Set();
  const server = createServer(client => {
    const upstream = connect(port, hostname);
    const reset = () => [client, upstream].forEach(socket => socket.resetAndDestroy());
    const pass = (from, to, left) => {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('data', data => {
        if (data.length < left || !proxy.cutting) {
          left -= data.length;
          to.write(data);
          return;
        }
        proxy.cuts++;
        to.write(data.subarray(0, left), reset);
        left = Infinity;
        from.pause();
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroySoon();
      });
    };
    const [up, down] = octets();
    pass(client, upstream, up);
    pass(upstream, client, down);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.address = `ws://127.0.0.1:${server.address().port}`;
  t.after(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  });
  return proxy;
}
