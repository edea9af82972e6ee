// Clients of both dialects, at different nodes, and others who speak natively (whoever runs this): all see one order.

import assert from "node:assert/strict";
import { Client, done, sleep } from "./client.mjs";

const COUNT = Number(process.env.COUNT ?? 60);
const roomId = process.env.ROOM ?? "together";

const ann = new Client("ann");
await ann.join(roomId);
const jane = new Client("jane", {}, process.env.OTHER_URL);
await jane.join(roomId);
console.log("joined");
for (let number = 0; number < COUNT / 3; number++) {
  ann.emit("send_message", { roomId, content: `ann ${number}`, lamportTimestamp: number, idempotencyKey: `a${number}` });
  jane.emit("send_message", { roomId, message: `jane ${number}` });
  if (number % 5 === 0) await sleep(1);
}
async function told(client) {
  const messages = [];
  for (let number = 0; number < COUNT; number++) messages.push(await client.next("new_message"));
  return messages.map((message) => [message.sequenceNumber, message.messageId, message.content, message.message]);
}
const [first, second] = await Promise.all([told(ann), told(jane)]);
assert.deepEqual(first, second);
assert.deepEqual(first.map(([number]) => number), Array.from({ length: COUNT }, (_, index) => index + 1));
for (const sender of ["ann", "jane", "bob"]) {
  const own = first.filter(([, , content]) => content.startsWith(sender)).map(([, , content]) => content);
  assert.deepEqual(own, Array.from({ length: COUNT / 3 }, (_, index) => `${sender} ${index}`));
}
done(ann, jane);
