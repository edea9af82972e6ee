// What one client sends arrives in the order in which it was sent, and what it sends at once is not lost.

import assert from "node:assert/strict";
import { Client, done } from "./client.mjs";

const COUNT = Number(process.env.COUNT ?? 1000);
const roomId = process.env.ROOM ?? "order";

const reader = new Client("reader");
await reader.join(roomId);
const numbers = [];
let all;
const whole = new Promise((resolve) => (all = resolve));
reader.socket.on("new_message", (message) => {
  numbers.push([message.sequenceNumber, message.content]);
  if (numbers.length === COUNT) all();
});

// Before it is connected: the client sends all of it right after it is.
const writer = new Client("writer");
writer.emit("join_room", { roomId });
for (let number = 1; number <= COUNT; number++) {
  writer.emit("send_message", { roomId, content: `${number}`, idempotencyKey: `k${number}` });
}
const timer = setTimeout(() => {
  console.error(`${numbers.length} of ${COUNT} came`);
  process.exit(1);
}, 60_000);
await whole;
clearTimeout(timer);
assert.deepEqual(numbers, Array.from({ length: COUNT }, (_, index) => [index + 1, `${index + 1}`]));
assert.equal(writer.count("error"), 0);
done(reader, writer);
