// Every event that Chat Service documents, with the fields that it documents.

import assert from "node:assert/strict";
import { Client, done, hasFields, tokenOf, url } from "./client.mjs";

const roomId = process.env.ROOM ?? "room-123";

const jane = new Client("jane");
const authenticated = await jane.ask("authenticate", { userId: "jane", username: "jane_doe" });
assert.equal(authenticated.success, true);
jane.emit("join_room", { roomId });
assert.deepEqual(await jane.next("message_history"), []);
assert.deepEqual(await jane.next("room_users"), ["jane"]);
jane.emit("send_message", { roomId, message: "Hi!" });
const hi = await jane.next("new_message");
hasFields(hi, { roomId: "string", userId: "string", username: "string", message: "string", timestamp: "number" });
assert.deepEqual([hi.roomId, hi.userId, hi.username, hi.message], [roomId, "jane", "jane_doe", "Hi!"]);
assert.equal((await jane.next("message")).message, "Hi!");

const john = new Client("john");
john.emit("authenticate", { userId: "john", username: "john_doe" });
const { history, users } = await john.join(roomId);
assert.deepEqual(history.map((message) => [message.username, message.message]), [["jane_doe", "Hi!"]]);
assert.deepEqual(users, ["jane", "john"]);
const joined = await jane.next("user_joined");
assert.deepEqual([joined.roomId, joined.userId, joined.username], [roomId, "john", "john_doe"]);

john.emit("typing", { roomId, isTyping: true });
const typing = await jane.next("user_typing");
assert.deepEqual([typing.userId, typing.username, typing.isTyping], ["john", "john_doe", true]);
john.emit("typing", { roomId, isTyping: false });
assert.equal((await jane.next("user_typing")).isTyping, false);

john.emit("send_message", { roomId, message: "Hello everyone!" });
const told = await jane.next("new_message");
assert.deepEqual([told.message, told.sequenceNumber], ["Hello everyone!", 2]);
// The sender is told as well.
await john.next("new_message", (message) => message.message === "Hello everyone!");

// Without a socket.
const rest = async (path, more = {}) => {
  const headers = { Authorization: `Bearer ${tokenOf("jane")}`, "Content-Type": "application/json" };
  const response = await fetch(`${url}/api/chat/${roomId}/${path}`, { headers, ...more });
  return [response.status, await response.json()];
};
const [, kept] = await rest("history?limit=1");
assert.equal(kept.success, true);
assert.equal(kept.messages.length, 1);
hasFields(kept.messages[0], {
  roomId: "string", userId: "string", username: "string", message: "string", timestamp: "number",
});
assert.equal(kept.messages[0].message, "Hello everyone!");
const [, stored] = await rest("message", { method: "POST", body: JSON.stringify({ message: "By REST" }) });
assert.equal(stored.success, true);
assert.equal((await john.next("message", (message) => message.message === "By REST")).messageId, stored.data.messageId);
assert.deepEqual((await rest("users"))[1], { success: true, count: 2, users: ["jane", "john"] });
const [refused, why] = await rest("history", { headers: {} });
assert.deepEqual([refused, why.success, why.code], [401, false, "unauthenticated"]);

// A token says who one is, whatever one says besides.
john.emit("authenticate", { userId: "jane", username: "jane" });
const error = await john.next("error");
hasFields(error, { message: "string" });

john.emit("leave_room", { roomId });
const left = await jane.next("user_left");
assert.deepEqual([left.roomId, left.userId, left.username], [roomId, "john", "john_doe"]);

// Its clients may say something before they join: that makes them members, too.
const jack = new Client("jack");
jack.emit("send_message", { roomId, message: "First" });
assert.equal((await jane.next("user_joined")).userId, "jack");
assert.equal((await jane.next("new_message", (message) => message.userId === "jack")).message, "First");
const { history: seen } = await jack.join(roomId);
assert.equal(seen.at(-1).message, "First");
done(jane, john, jack);
