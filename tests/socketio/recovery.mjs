// A client whose node dies goes on elsewhere by itself, with nothing missed and nothing twice. Whoever runs this kills
// the node after "holds N", when the client has been told message N and that it has it, and sends COUNT messages in all.

import assert from "node:assert/strict";
import { Client, done } from "./client.mjs";

const COUNT = Number(process.env.COUNT ?? 40);
const roomId = process.env.ROOM ?? "recovery";
const WITHIN = 150_000;

const client = new Client("ann", { reconnectionDelay: 50, reconnectionDelayMax: 200 });
const told = [];
let connections = 0;
client.socket.on("connect", () => {
  connections += 1;
  console.log(connections === 1 ? "connected" : `again recovered=${client.socket.recovered}`);
});
client.socket.on("new_message", (message) => {
  told.push(message.sequenceNumber);
  console.log(`told ${message.sequenceNumber}`);
});
client.socket.onAny((event, offset) => {
  if (event === "starling:offset" && typeof offset === "string" && told.length > 0) console.log(`holds ${told.at(-1)}`);
});
await client.join(roomId);
console.log("joined");
const began = Date.now();
while (told.length < COUNT && Date.now() - began < WITHIN) await new Promise((resolve) => setTimeout(resolve, 20));
assert.deepEqual(told, Array.from({ length: COUNT }, (_, index) => index + 1));
assert.ok(connections >= 2, "its node has died");
assert.equal(client.socket.recovered, true);
// It is live again, too.
const answer = await client.ask("send_message", { roomId, content: "I am back" });
assert.equal(answer.success, true);
assert.equal(answer.data.sequenceNumber, COUNT + 1);
done(client);
