// A connection lives no longer than its token; its client is told so, and does not come back by itself.

import assert from "node:assert/strict";
import { Client, done, sleep } from "./client.mjs";

const token = `ann@${Math.floor(Date.now() / 1000) + 5}`;
const ann = new Client("ann", { auth: { token }, reconnectionDelay: 10 });
await ann.next("connected");
const error = await ann.next("error");
assert.deepEqual([error.message, error.code], ["token expired", "4201"]);
assert.equal(await ann.next("disconnect"), "io server disconnect");
await sleep(300);
assert.equal(ann.socket.connected, false);
done(ann);
