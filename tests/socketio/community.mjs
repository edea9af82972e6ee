// Every event and route that Community Chat documents, with the fields that it documents. The channel is one for all,
// so that what others have said before is there as well.

import assert from "node:assert/strict";
import { Client, done, eventually, hasFields, tokenOf, url } from "./client.mjs";

const namespace = "/api/community/chat";
const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const mark = process.env.ROOM ?? `${Date.now()}`;
const at = `${url}${namespace}`;
// Someone who has not been there before: who comes back within seconds has not been away.
const peer = process.env.PEER ?? `bob-${mark}`;

// Its own example, with a token; the user id may stay, as long as it is the token's.
const member = (user) => new Client(user, { auth: { token: tokenOf(user), userId: user } }, at);
const authenticate = async (client) => {
  const authenticated = await client.ask("authenticate-user", { userId: client.user });
  assert.equal(authenticated.success, true, JSON.stringify(authenticated));
  assert.equal(authenticated.data.userId, client.user);
  hasFields(authenticated.data.User, { id: "string", username: "string", name: "string" });
};

// All of it right after connecting, in order.
const ann = member("ann");
const unknown = await ann.ask("send-message", { message: "Too early" });
assert.deepEqual([unknown.success, unknown.message], [false, "Not authenticated"]);
ann.emit("load-messages", { page: 1 });
assert.equal((await ann.next("error")).message, "Not authenticated", "told by an event where nobody waits");
await authenticate(ann);

const bob = member(peer);
await authenticate(bob);
const joined = await ann.next("user-joined", (joined) => joined.userId === peer);
hasFields(joined, { userId: "string", username: "string", name: "string", timestamp: "string" });

const sent = await ann.ask("send-message", { message: `Hello community! ${mark}` });
assert.equal(sent.success, true);
hasFields(sent.data, {
  id: "string", user_id: "string", message: "string", edited_at: "object", is_deleted: "boolean", created_at: "string",
  updated_at: "string", User: "object", sequenceNumber: "number",
});
for (const client of [ann, bob]) {
  const message = await client.next("message-received", (message) => message.id === sent.data.id);
  assert.deepEqual(message, sent.data, "the acknowledgement and the broadcast are one");
  assert.deepEqual(
    [message.user_id, message.message, message.edited_at, message.is_deleted, message.User.name],
    ["ann", `Hello community! ${mark}`, null, false, "ann"],
  );
  assert.match(message.created_at, iso);
}
const first = sent.data.sequenceNumber;
const answer = await bob.ask("send-message", { message: "Hi", idempotencyKey: `bob-${mark}` });
const again = await bob.ask("send-message", { message: "Hi", idempotencyKey: `bob-${mark}` });
assert.equal(again.data.id, answer.data.id);
assert.equal(answer.data.sequenceNumber, first + 1);

ann.emit("typing", { isTyping: true });
const typing = await bob.next("user-typing", (typing) => typing.userId === "ann");
assert.deepEqual([typing.name, typing.isTyping], ["ann", true]);
ann.emit("typing", { isTyping: false });
assert.equal((await bob.next("user-typing")).isTyping, false);
assert.equal(ann.count("user-typing"), 0, "a typist is not told of himself");

// Edited: one's own, and it says when.
const messageId = sent.data.id;
const edited = await ann.ask("edit-message", { messageId, message: "Updated message" });
assert.equal(edited.success, true, JSON.stringify(edited));
for (const client of [ann, bob]) {
  const told = await client.next("message-edited");
  assert.deepEqual(told, edited.data);
  assert.deepEqual([told.id, told.message, told.user_id, told.sequenceNumber], [messageId, "Updated message", "ann", first]);
  assert.match(told.edited_at, iso);
  assert.equal(told.created_at, sent.data.created_at);
}
const foreign = await bob.ask("edit-message", { messageId, message: "Not mine" });
assert.deepEqual([foreign.success, foreign.code], [false, "forbidden"]);

// Deleted, softly: its place stays.
const deleted = await bob.ask("delete-message", { messageId: answer.data.id });
assert.equal(deleted.success, true, JSON.stringify(deleted));
for (const client of [ann, bob]) {
  const told = await client.next("message-deleted");
  assert.deepEqual(told, deleted.data);
  assert.deepEqual(
    [told.id, told.messageId, told.is_deleted, told.message, told.sequenceNumber],
    [answer.data.id, answer.data.id, true, "", first + 1],
  );
}
assert.equal((await ann.ask("delete-message", { messageId: answer.data.id })).success, false);

// What may not be.
for (const message of ["", "x".repeat(5001), 7]) {
  const refused = await ann.ask("send-message", { message });
  assert.deepEqual([refused.success, refused.code], [false, "invalid"]);
}
assert.equal((await ann.ask("edit-message", { messageId: "elsewhere:1", message: "x" })).code, "invalid");
assert.equal((await ann.ask("no-such-event", {})).code, "unknown_command");

// The history, newest page first, oldest first in each.
const page = await ann.ask("load-messages", { page: 1, limit: 2 });
assert.equal(page.success, true);
assert.deepEqual(page.data.map((message) => [message.id, message.message, message.is_deleted]), [
  [messageId, "Updated message", false],
  [answer.data.id, "", true],
]);
assert.match(page.data[0].edited_at, iso);
hasFields(page.pagination, { page: "number", limit: "number", total: "number", totalPages: "number" });
for (let number = 0; number < 3; number++) await ann.ask("send-message", { message: `More ${number}` });
const { data: older } = await bob.ask("load-messages", { page: 2, limit: 3 });
assert.deepEqual(older.map((message) => message.sequenceNumber).slice(-2), [first, first + 1]);
assert.equal((await ann.ask("load-messages", { page: 0 })).code, "invalid");

// The routes.
const rest = async (path, token) => {
  const headers = token ? { Authorization: `Bearer ${tokenOf(token)}` } : {};
  const response = await fetch(`${url}${namespace}${path}`, { headers });
  return { status: response.status, body: await response.json() };
};
const listed = await rest("?page=1&limit=3", "ann");
assert.deepEqual(listed.body.data.map((message) => message.message), ["More 0", "More 1", "More 2"]);
const second = await rest(`?page=2&limit=3&asOf=${listed.body.pagination.asOf}`, "ann");
assert.equal(second.body.data.at(-1).sequenceNumber, first + 1);
// Whoever has a token, even if he has never been in the channel.
assert.equal((await rest("", "reader")).status, 200);
const own = await rest(`/${peer}`, "ann");
assert.ok(own.body.data.length > 0 && own.body.data.every((message) => message.user_id === peer));
for (const path of ["", `/${peer}`]) {
  const refused = await rest(path);
  assert.deepEqual([refused.status, refused.body.success, refused.body.code], [401, false, "unauthenticated"]);
}
// These two need none, and are no users.
const recent = await rest("/recent?limit=1");
assert.deepEqual(recent.body.data.map((message) => message.message), ["More 2"]);
hasFields(recent.body.data[0].User, { id: "string", username: "string", name: "string" });
const total = listed.body.pagination.total;
await eventually(async () => {
  const { status, body } = await rest("/stats");
  assert.equal(status, 200);
  assert.equal(body.success, true);
  hasFields(body.data, { totalMessages: "number", totalUsers: "number", daily: "array" });
  const counted = body.data.daily.reduce((sum, day) => sum + day.count, 0);
  return body.data.totalMessages === total && counted === total && /^\d{4}-\d\d-\d\d$/.test(body.data.daily[0].date);
});

// A user who goes is told of, and one who comes back.
bob.close();
const left = await ann.next("user-left", (left) => left.userId === peer, 20_000);
hasFields(left, { userId: "string", username: "string", name: "string", timestamp: "string" });
const back = member(peer);
await authenticate(back);
await ann.next("user-joined", (joined) => joined.userId === peer);

// A token says who one is, whatever one says besides.
assert.equal((await back.ask("authenticate-user", { userId: "ann" })).code, "forbidden");
done(ann, back);
