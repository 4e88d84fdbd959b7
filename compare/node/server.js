// A relay on the npm library ws as its manual shows it, for servers to be compared with. It speaks version 1
// of the protocol (docs/protocol.md sections 1 and 2) without limits or defences: it is for the loopback
// interface, where it listens.
//
// It prints where it listens. At SIGUSR2 it collects garbage, and prints that it has: run it with
// --expose-gc.

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const path = '/v1/ws/';
const channels = new Map(); // from id to Set of WebSocket

const server = createServer((request, response) => response.writeHead(426).end());
const sockets = new WebSocketServer({ noServer: true, maxPayload: 65536 });

server.on('upgrade', (request, socket, head) => {
  if (!request.url.startsWith(path)) {
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
    return;
  }
  sockets.handleUpgrade(request, socket, head, ws => {
    const id = request.url.slice(path.length) || randomBytes(16).toString('base64url');
    const members = channels.get(id) ?? new Set();
    channels.set(id, members.add(ws));
    const sender = { ua: request.headers['user-agent'], remote: socket.remoteAddress };
    ws.send(JSON.stringify({ link: path + id, channelid: id }));
    ws.on('message', (data, isBinary) => {
      if (isBinary) return;
      const text = JSON.stringify({ message: data.toString().trim(), sender });
      for (const member of members) {
        if (member !== ws) member.send(text);
      }
    });
    ws.on('error', () => {}); // close follows
    ws.on('close', () => {
      members.delete(ws);
      if (members.size === 0) channels.delete(id);
    });
  });
});

process.on('SIGUSR2', () => {
  globalThis.gc();
  globalThis.gc();
  console.log('collected');
});

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(`listening on 127.0.0.1:${server.address().port}`));
