// Every event that CampZone documents, with the fields that it documents.

import assert from "node:assert/strict";
import { Client, done, hasFields, sleep } from "./client.mjs";

const roomId = process.env.ROOM ?? "campus";
const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const ann = new Client("ann");
const connected = await ann.next("connected");
hasFields(connected, { socketId: "string", userId: "string", message: "string" });
assert.equal(connected.userId, "ann");
assert.equal(connected.socketId, ann.socket.id);
assert.notEqual(ann.socket.id, ann.socket.io.engine.id, "the public id is not the engine's");

ann.emit("join_room", { roomId, userId: "ann" });
const joined = await ann.next("joined_room");
assert.equal(joined.roomId, roomId);
hasFields(joined, { message: "string" });

const bob = new Client("bob");
await bob.next("connected");
bob.emit("join_room", { roomId, userId: "bob" });
await bob.next("joined_room");
const arrived = await ann.next("user_joined");
assert.deepEqual([arrived.roomId, arrived.userId], [roomId, "bob"]);
assert.match(arrived.timestamp, iso);

ann.emit("send_message", { roomId, content: "Hello!", lamportTimestamp: 40, idempotencyKey: "ann-1" });
const sent = await ann.next("message_sent");
hasFields(sent, { messageId: "string", idempotencyKey: "string", status: "string", sequenceNumber: "number" });
assert.deepEqual([sent.idempotencyKey, sent.status, sent.sequenceNumber], ["ann-1", "PENDING", 1]);
for (const client of [ann, bob]) {
  const message = await client.next("new_message");
  hasFields(message, {
    messageId: "string", roomId: "string", senderId: "string", content: "string", lamportTimestamp: "number",
    createdAt: "string", status: "string", sequenceNumber: "number",
  });
  assert.deepEqual(
    [message.messageId, message.roomId, message.senderId, message.content, message.sequenceNumber],
    [sent.messageId, roomId, "ann", "Hello!", 1],
  );
  assert.ok(message.lamportTimestamp > 40);
  assert.match(message.createdAt, iso);
}

// The same key again: the first message's id comes back, and nobody is told twice.
ann.emit("send_message", { roomId, content: "Hello!", lamportTimestamp: 40, idempotencyKey: "ann-1" });
assert.equal((await ann.next("message_sent")).messageId, sent.messageId);

const second = await bob.ask("send_message", { roomId, content: "Hi", lamportTimestamp: 1, idempotencyKey: "bob-1" });
assert.equal(second.success, true);
assert.equal(second.data.sequenceNumber, 2);
assert.equal((await ann.next("new_message")).content, "Hi");

ann.emit("typing_start", { roomId });
const typing = await bob.next("user_typing");
assert.deepEqual([typing.roomId, typing.userId, typing.isTyping], [roomId, "ann", true]);
ann.emit("typing_stop", { roomId });
assert.equal((await bob.next("user_typing")).isTyping, false);
assert.equal(ann.count("user_typing"), 0, "a typist is not told of himself");

bob.emit("mark_read", { messageId: sent.messageId, roomId });
bob.emit("mark_read", { messageId: second.data.messageId, roomId });
ann.emit("mark_read", { messageId: second.data.messageId, roomId });
const receipt = await bob.next("read_receipt", (receipt) => receipt.userId === "ann");
assert.deepEqual([receipt.messageId, receipt.roomId], [second.data.messageId, roomId]);
assert.match(receipt.readAt, iso);
// Marks are written a moment later, each user's when his time comes: a page shows them once they were told.
await ann.next("read_receipt", (receipt) => receipt.userId === "bob");

bob.emit("get_messages", { roomId, limit: 10, skip: 0 });
const page = await bob.next("messages");
assert.deepEqual([page.roomId, page.count], [roomId, 2]);
assert.deepEqual(page.messages.map((message) => message.content), ["Hello!", "Hi"]);
assert.equal(page.messages[0].status, "READ");
bob.emit("get_messages", { roomId, limit: 1, skip: 1 });
assert.deepEqual((await bob.next("messages")).messages.map((message) => message.sequenceNumber), [1]);

ann.emit("get_online_users", { roomId });
const online = await ann.next("online_users");
assert.deepEqual(online, { roomId, count: 2, onlineUsers: ["ann", "bob"] });

// What may not be: told to whoever asked, and to nobody else.
const eve = new Client("eve");
await eve.next("connected");
eve.emit("send_message", { roomId, content: "Let me in", lamportTimestamp: 1, idempotencyKey: "eve-1" });
const error = await eve.next("error");
hasFields(error, { message: "string" });
assert.equal(error.code, "not_a_member");
bob.emit("send_message", { roomId, content: "x".repeat(5001), lamportTimestamp: 1, idempotencyKey: "bob-long" });
assert.equal((await bob.next("error")).code, "invalid");
bob.emit("send_message", { roomId, content: new Uint8Array([1, 2, 3]), idempotencyKey: "bob-bytes" });
assert.equal((await bob.next("error")).code, "invalid");
bob.emit("join_room", { roomId, userId: "ann" });
assert.equal((await bob.next("error")).code, "forbidden");

bob.emit("leave_room", { roomId });
const left = await ann.next("user_left");
assert.deepEqual([left.roomId, left.userId], [roomId, "bob"]);
ann.emit("send_message", { roomId, content: "Gone?", lamportTimestamp: 1, idempotencyKey: "ann-2" });
await ann.next("message_sent");
await sleep(200);
assert.equal(bob.count("new_message"), 1, "Bob has had his own message, and none after he left");
assert.equal(eve.count("new_message"), 0);
done(ann, bob, eve);
