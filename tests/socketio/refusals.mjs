// Who is let in, and how those learn of it who are not.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { Client, done, options, url } from "./client.mjs";

const { io } = await import("socket.io-client");

function attempt(target, more) {
  return new Promise((resolve) => {
    const socket = io(target, options({ reconnection: false, ...more }));
    const end = (outcome) => { socket.close(); resolve(outcome); };
    socket.on("connect", () => end("connected"));
    socket.on("connect_error", (error) => end(error.message));
  });
}

assert.match(await attempt(url, {}), /^unauthenticated: /);
assert.match(await attempt(url, { auth: { userId: "ann" } }), /^unauthenticated: /);
assert.match(await attempt(url, { auth: { token: "mallory" } }), /^unauthenticated: /);
assert.match(await attempt(url, { auth: { token: "ann", userId: "bob" } }), /^forbidden: /);
assert.equal(await attempt(`${url}/nowhere`, { auth: { token: "ann" } }), "Invalid namespace");
assert.equal(await attempt(url, { auth: { token: "Bearer ann" } }), "connected");
assert.equal(await attempt(url, { extraHeaders: { Authorization: "Bearer ann" } }), "connected");
assert.equal(await attempt(url, { query: { token: "ann" } }), "connected");

// Engine.IO 3, of Socket.IO 2: refused, with the code of Node.js' server and a sentence.
const response = await fetch(`${url}/socket.io/?EIO=3&transport=polling`);
assert.equal(response.status, 400);
const refusal = await response.json();
assert.equal(refusal.code, 5);
assert.match(refusal.message, /Unsupported protocol version.*Socket\.IO client of version 3 or later/);
const old = createRequire(import.meta.url)("socket.io-client-2")(url, { reconnection: false, query: { token: "ann" } });
const outcome = await new Promise((resolve) => {
  old.on("connect", () => resolve("connected"));
  old.on("connect_error", (error) => resolve(`${error.message ?? error} ${error.description ?? ""}`));
});
assert.equal(outcome.includes("connected"), false, outcome);
console.log(`Socket.IO 2: ${outcome}`);
old.close();

// As many connections as are allowed, and one more.
const crowd = [];
for (let number = 0; number < 5; number++) {
  const client = new Client("many");
  await client.next("connected");
  crowd.push(client);
}
assert.match(await attempt(url, { auth: { token: "many" } }), /^too_many_connections: /);
done(...crowd);
