// Every route that Chatter documents, and the live events that go with them. CODES says that codes come with the answer,
// so that its two people can sign in by phone; otherwise they bring tokens.

import assert from "node:assert/strict";
import { Client, done, hasFields, tokenOf, url } from "./client.mjs";

const call = async (method, path, { token, body, status = 200 } = {}) => {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await fetch(`${url}${path}`, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  assert.equal(response.status, status, `${method} ${path}: ${JSON.stringify(answer)}`);
  assert.equal(answer.success, status < 400);
  return answer;
};

// Registering: a challenge first, then a user and a token. (Its clients take one step more than they did.)
async function register(phone, name) {
  const challenged = await call("POST", "/api/register", { body: { phone, name }, status: 202 });
  assert.deepEqual([challenged.challenge.type, challenged.challenge.phone], ["code", phone]);
  assert.match(challenged.code, /^\d{6}$/);
  const wrong = challenged.code === "000000" ? "000001" : "000000";
  const refused = await call("POST", "/api/register", { body: { phone, name, code: wrong }, status: 401 });
  assert.equal(refused.code, "wrong_code");
  const { user, token, newUser } = await call("POST", "/api/register", { body: { phone, name, code: challenged.code } });
  hasFields(user, { _id: "string", userId: "string", name: "string", phone: "string" });
  assert.deepEqual([user.name, user.phone, newUser], [name, phone, true]);
  return { id: user._id, name, token, phone };
}

const people = {};
if (process.env.CODES) {
  await call("POST", "/api/register", { body: { phone: "+49 1512 3456789" }, status: 422 });
  people.ann = await register("+4915123456789", "Ann");
  people.bob = await register("+4915123456788", "Bob");
  // Logging in: with the number, and then with the code.
  const { code } = await call("POST", "/api/login", { body: { phone: people.ann.phone }, status: 202 });
  const login = await call("POST", "/api/login", { body: { phone: people.ann.phone, code } });
  assert.deepEqual([login.user._id, login.user.name, login.newUser], [people.ann.id, "Ann", false]);
  hasFields(login, { token: "string", refreshToken: "string", expiresIn: "number", syncIntervalMinutes: "number" });
} else {
  for (const id of ["ann", "bob"]) people[id] = { id, name: id, token: tokenOf(id) };
  await call("GET", "/api/users/bob", { token: people.bob.token });
}
const { ann, bob } = people;

// Profiles.
const renamed = await call("PUT", `/api/users/${ann.id}`, { token: ann.token, body: { name: "Ann A.", about: "here" } });
assert.deepEqual([renamed.user.name, renamed.user.about], ["Ann A.", "here"]);
const seen = await call("GET", `/api/users/${ann.id}`, { token: bob.token });
assert.deepEqual([seen.user.userId, seen.user.name], [ann.id, "Ann A."]);
assert.equal(seen.user.phone, undefined, "a number is its owner's business");
await call("PUT", `/api/users/${ann.id}`, { token: bob.token, body: { name: "Not me" }, status: 403 });
await call("GET", `/api/users/${ann.id}`, { status: 401 });

// Contacts: by number, and both ways.
const contact = bob.phone ? { phone: bob.phone } : { contactId: bob.id };
const { data: added } = await call("POST", "/api/contacts", { token: ann.token, body: { userId: ann.id, ...contact } });
assert.deepEqual([added.contactId, added.name], [bob.id, bob.name]);
for (const [one, other] of [[ann, bob], [bob, ann]]) {
  const { contacts } = await call("GET", `/api/contacts/${one.id}`, { token: one.token });
  const found = contacts.find((contact) => contact.contactId === other.id);
  hasFields(found, { _id: "string", name: "string", conversationId: "string", addedAt: "string" });
  assert.equal(found.conversationId, added.conversationId, "wherever one enters, it is one conversation");
}
await call("GET", `/api/contacts/${ann.id}`, { token: bob.token, status: 403 });

// Live: what happens in all of one's conversations, and no rooms to join.
const live = (person) => new Client(person.id, { auth: { token: person.token } }, `${url}/chatter`);
const [annLive, bobLive] = [live(ann), live(bob)];
const connected = await annLive.next("connected");
hasFields(connected, { socketId: "string", userId: "string", serverId: "string", syncIntervalMinutes: "number" });
assert.equal(connected.userId, ann.id);
await bobLive.next("connected");

// A conversation begins with a message to someone.
const message = { receiverId: bob.id, senderId: ann.id, message: "Hello Bob", clientId: `c-${Date.now()}` };
const { data: hello } = await call("POST", "/api/message", { token: ann.token, body: message });
hasFields(hello, {
  _id: "string", conversationId: "string", senderId: "string", senderName: "string", message: "string",
  sequenceNumber: "number", timestamp: "number", createdAt: "string", edited: "boolean", deleted: "boolean",
});
const { conversationId } = hello;
assert.equal(conversationId, added.conversationId);
const first = hello.sequenceNumber;
const { data: retried } = await call("POST", "/api/message", { token: ann.token, body: message });
assert.equal(retried._id, hello._id, "sent again, it is one message");
for (const client of [annLive, bobLive]) {
  const told = await client.next("new_message", (told) => told._id === hello._id);
  assert.deepEqual(told, { ...hello, clientId: message.clientId });
}

// Over the socket.
const answered = await bobLive.ask("send_message", { conversationId, message: "Hi Ann" });
assert.equal(answered.success, true, JSON.stringify(answered));
assert.deepEqual([answered.data.senderId, answered.data.sequenceNumber], [bob.id, first + 1]);
const toAnn = await annLive.next("new_message", (told) => told._id === answered.data._id);
assert.deepEqual([toAnn.message, toAnn.senderName], ["Hi Ann", bob.name]);
const nobody = await bobLive.ask("send_message", { conversationId: "g-nowhere", message: "?" });
assert.deepEqual([nobody.success, nobody.code], [false, "unknown_conversation"]);
assert.equal((await bobLive.ask("send_message", { message: "To whom?" })).code, "invalid");

// Edited and deleted, by the native API: Chatter has no words for saying so, but is told.
await native("PATCH", answered.data._id, bob.token, { text: "Hi, Ann!" });
const edited = await annLive.next("message_updated");
assert.deepEqual([edited._id, edited.message, edited.edited, edited.deleted], [answered.data._id, "Hi, Ann!", true, false]);
await native("DELETE", answered.data._id, bob.token);
const deleted = await annLive.next("message_updated");
assert.deepEqual([deleted._id, deleted.message, deleted.deleted], [answered.data._id, "", true]);

async function native(method, id, token, body) {
  const [conversation, seq] = [id.slice(0, id.lastIndexOf(":")), id.slice(id.lastIndexOf(":") + 1)];
  const path = `${url}/v1/conversations/${conversation}/messages/${seq}`;
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.text()}`);
}

// Ordered messages, with sequence numbers and without gaps.
const { messages, hasMore } = await call("GET", `/api/message/${conversationId}`, { token: bob.token });
assert.deepEqual(messages.map(({ sequenceNumber }) => sequenceNumber).slice(-2), [first, first + 1]);
assert.deepEqual([messages.at(-1).deleted, messages.at(-1).message, hasMore], [true, "", false]);
const before = await call("GET", `/api/message/${conversationId}?before=${first + 1}&limit=1`, { token: bob.token });
assert.deepEqual(before.messages.map(({ _id }) => _id), [hello._id]);

// The list, with sequence info.
const { conversations } = await call("GET", `/api/conversations/${bob.id}`, { token: bob.token });
const listed = conversations.find((conversation) => conversation.conversationId === conversationId);
hasFields(listed, {
  _id: "string", type: "string", isGroup: "boolean", name: "string", user: "object", sequenceNumber: "number",
  unreadCount: "number", lastMessage: "object", updatedAt: "string",
});
assert.deepEqual([listed.type, listed.user.userId, listed.sequenceNumber], ["direct", ann.id, first + 1]);
// A node may go on calling someone by an old name for a minute.
assert.ok(["Ann A.", ann.name].includes(listed.name), listed.name);

// Comparing: what was said while away is sent, once; what was missed is told.
const offline = [1, 2, 3].map((number) => ({ conversationId, message: `Offline ${number}`, clientId: `${message.clientId}-${number}` }));
const sync = { userId: bob.id, messages: offline, conversations: [{ conversationId, lastSequenceNumber: first }] };
const { data: synced } = await call("POST", "/api/sync", { token: bob.token, body: sync });
assert.deepEqual(synced.sent.map(({ success, clientId }) => [success, clientId]), offline.map(({ clientId }) => [true, clientId]));
const missed = synced.conversations[0];
assert.deepEqual(missed.messages.map(({ sequenceNumber }) => sequenceNumber), [1, 2, 3, 4].map((after) => first + after));
assert.equal(missed.hasMore, false);
for (const number of [1, 2, 3]) {
  const told = await annLive.next("new_message");
  assert.deepEqual([told.message, told.sequenceNumber], [`Offline ${number}`, first + 1 + number]);
}
const twice = await bobLive.ask("sync", sync);
assert.deepEqual(twice.data.sent.map(({ data }) => data._id), synced.sent.map(({ data }) => data._id));
const elsewhere = await bobLive.ask("sync", { conversations: [{ conversationId: "g-nowhere" }] });
assert.deepEqual([elsewhere.success, elsewhere.data.conversations[0].code], [true, "unknown_conversation"]);

// Another conversation appears by itself.
const created = await fetch(`${url}/v1/conversations`, {
  method: "POST",
  headers: { Authorization: `Bearer ${ann.token}`, "Content-Type": "application/json" },
  body: JSON.stringify({ kind: "group", name: "Trip", members: [bob.id] }),
});
const trip = (await created.json()).id;
const updated = await bobLive.next("conversation_updated", (updated) => updated.conversationId === trip);
assert.deepEqual([updated.change, updated.userIds.sort()], ["created", [ann.id, bob.id].sort()]);
await annLive.ask("send_message", { conversationId: trip, message: "Where to?" });
assert.equal((await bobLive.next("new_message", (told) => told.conversationId === trip)).sequenceNumber, 1);

// Taken off one's own list, until something is said; and for all, by who may.
await call("DELETE", `/api/conversations/${conversationId}`, { token: bob.token });
const without = await call("GET", `/api/conversations/${bob.id}`, { token: bob.token });
assert.ok(without.conversations.every((conversation) => conversation.conversationId !== conversationId));
await call("DELETE", `/api/conversations/${trip}?everyone=true`, { token: bob.token, status: 403 });
await call("DELETE", `/api/conversations/${trip}?everyone=true`, { token: ann.token });
const gone = await bobLive.next("conversation_updated", (updated) => updated.change === "deleted");
assert.equal(gone.conversationId, trip);

await call("DELETE", `/api/contacts/${bob.id}`, { token: ann.token });
const { contacts } = await call("GET", `/api/contacts/${bob.id}`, { token: bob.token });
assert.ok(contacts.every((contact) => contact.contactId !== ann.id));

// What is none of one's business.
await call("GET", `/api/conversations/${bob.id}`, { token: ann.token, status: 403 });
await call("GET", "/api/message/g-nowhere", { token: ann.token, status: 404 });
await call("POST", "/api/message", { token: ann.token, body: { conversationId, message: "" }, status: 422 });
await call("POST", "/api/message", { token: ann.token, body: { conversationId, senderId: bob.id, message: "x" }, status: 403 });
done(annLive, bobLive);
