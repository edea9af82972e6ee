// Clients of all dialects, at different nodes, and one who speaks natively (whoever runs this): all see one order.

import assert from "node:assert/strict";
import { Client, done, sleep, tokenOf, url } from "./client.mjs";

const { COUNT: count = "100", ROOM: roomId = "community", OTHER_URL: other = url, THIRD_URL: third = other } = process.env;
const COUNT = Number(count);
const EACH = COUNT / 5;

// CampZone's and Chat Service's, on `/`.
const ann = new Client("ann");
await ann.join(roomId);
const jane = new Client("jane", {}, other);
await jane.join(roomId);
// Community Chat's, whose one channel this is.
const cleo = new Client("cleo", {}, `${third}/api/community/chat`);
assert.equal((await cleo.ask("authenticate-user", { userId: "cleo" })).success, true);
// Chatter's, who follows all that its user is a member of.
const chad = new Client("chad", {}, `${other}/chatter`);
await chad.next("connected");
await chad.isLive();
const joined = await fetch(`${third}/v1/conversations/${roomId}/join`, {
  method: "POST",
  headers: { Authorization: `Bearer ${tokenOf("chad")}` },
});
assert.ok(joined.ok, `${joined.status}`);
await chad.next("conversation_updated", (updated) => updated.userIds.includes("chad"));
console.log("joined");
for (let number = 0; number < EACH; number++) {
  ann.emit("send_message", { roomId, content: `ann ${number}`, lamportTimestamp: number, idempotencyKey: `a${number}` });
  jane.emit("send_message", { roomId, message: `jane ${number}` });
  cleo.emit("send-message", { message: `cleo ${number}` });
  chad.emit("send_message", { conversationId: roomId, message: `chad ${number}` });
  if (number % 5 === 0) await sleep(1);
}
async function told(client, event, read) {
  const messages = [];
  for (let number = 0; number < COUNT; number++) messages.push(await client.next(event, () => true, 30_000));
  return messages.map(read);
}
const [first, ...others] = await Promise.all([
  told(ann, "new_message", (message) => [message.sequenceNumber, message.messageId, message.senderId, message.content]),
  told(jane, "new_message", (message) => [message.sequenceNumber, message.messageId, message.userId, message.message]),
  told(cleo, "message-received", (message) => [message.sequenceNumber, message.id, message.user_id, message.message]),
  told(chad, "new_message", (message) => [message.sequenceNumber, message._id, message.senderId, message.message]),
]);
for (const seen of others) assert.deepEqual(seen, first);
assert.deepEqual(first.map(([number]) => number), Array.from({ length: COUNT }, (_, index) => index + 1));
for (const sender of ["ann", "jane", "cleo", "chad", "bob"]) {
  const own = first.filter(([, , who]) => who === sender).map(([, , , text]) => text);
  assert.deepEqual(own, Array.from({ length: EACH }, (_, index) => `${sender} ${index}`));
}
console.log(`order ${JSON.stringify(first.map(([, id]) => id))}`);
done(ann, jane, cleo, chad);
