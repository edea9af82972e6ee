// What Starling is measured against: a chat server as the systems that it replaces are designed, with the
// libraries that they name. A send takes a Redis lock on its conversation, a number from INCR, one insert into
// MongoDB that a majority has, and goes to the other servers through Socket.IO's Redis adapter.
//
//   PORT=3001 SERVER_ID=server-1 REDIS_URL=redis://127.0.0.1:6379 MONGODB_URI=mongodb://… node server.js
//
// `cargo xtask bench` starts it. It is kept fair: no debugging, no compression, pooled connections, WebSocket only.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import Redis from 'ioredis';
import { MongoClient } from 'mongodb';
import { Server } from 'socket.io';

const { PORT, SERVER_ID, REDIS_URL, MONGODB_URI } = process.env;

const LOCK_MS = 5000;
// Patient: a send that gives up would only lower what is measured.
const LOCK_TRIES = 20000;

const commands = new Redis(REDIS_URL);
commands.defineCommand('releaseLock', {
  numberOfKeys: 1,
  lua: 'if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0',
});

const mongo = new MongoClient(MONGODB_URI, { maxPoolSize: 50, writeConcern: { w: 'majority' } });
await mongo.connect();
const messages = mongo.db().collection('messages');
await Promise.all([
  messages.createIndex({ conversationId: 1, seq: 1 }, { unique: true }),
  messages.createIndex({ idempotencyKey: 1 }, { unique: true }),
]);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function withLock(conversation, work) {
  const key = `lock:conversation:${conversation}`;
  const token = randomUUID();
  for (let tries = 0; (await commands.set(key, token, 'PX', LOCK_MS, 'NX')) === null; tries += 1) {
    if (tries >= LOCK_TRIES) throw new Error('the lock was not to be had');
    await pause(2 + 3 * Math.random());
  }
  try {
    return await work();
  } finally {
    await commands.releaseLock(key, token);
  }
}

async function store(senderId, { roomId, content, idempotencyKey }) {
  const seq = await commands.incr(`seq:${roomId}`);
  const document = { conversationId: roomId, seq, senderId, content, idempotencyKey, createdAt: new Date() };
  await messages.insertOne(document);
  return {
    messageId: String(document._id),
    roomId,
    senderId,
    content,
    sequenceNumber: seq,
    idempotencyKey,
    createdAt: document.createdAt,
  };
}

const http = createServer((_, response) => response.end('{"status":"ok"}'));
const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false });
io.adapter(createAdapter(new Redis(REDIS_URL), new Redis(REDIS_URL)));

io.on('connection', (socket) => {
  const user = socket.handshake.auth.userId;
  commands.set(`user:${user}`, JSON.stringify({ socketId: socket.id, serverId: SERVER_ID }), 'EX', 3600);

  socket.on('join_room', ({ roomId }) => {
    socket.join(roomId);
    socket.emit('joined_room', { roomId });
  });

  socket.on('send_message', async (message, acknowledge) => {
    try {
      const stored = await withLock(message.roomId, async () => {
        const event = await store(user, message);
        io.to(message.roomId).emit('new_message', event);
        return event;
      });
      const { messageId, idempotencyKey, sequenceNumber } = stored;
      const receipt = { messageId, idempotencyKey, sequenceNumber, status: 'DELIVERED' };
      socket.emit('message_sent', receipt);
      acknowledge?.(receipt);
    } catch (error) {
      socket.emit('error', { message: error.message });
    }
  });
});

http.listen(Number(PORT), '127.0.0.1', () => console.log(`${SERVER_ID} listens on ${PORT}`));
