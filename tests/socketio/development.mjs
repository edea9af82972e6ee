// In development mode a bare user id is enough, as it was for the systems of old.

import assert from "node:assert/strict";
import { done, options, url, Client } from "./client.mjs";

const { io } = await import("socket.io-client");
const told = (socket, event) => new Promise((resolve) => socket.once(event, resolve));

const campzone = io(url, options({ auth: { userId: "ann" } }));
assert.equal((await told(campzone, "connected")).userId, "ann");

// Chat Service: connects with nothing, and then says who it is.
const chat = io(url, options());
await told(chat, "connect");
chat.emit("join_room", { roomId: "dev" });
assert.deepEqual((await told(chat, "error")).message, "Not authenticated");
chat.emit("authenticate", { userId: "bob", username: "Bob" });
assert.equal((await told(chat, "connected")).userId, "bob");
chat.emit("join_room", { roomId: "dev" });
assert.deepEqual(await told(chat, "room_users"), ["bob"]);
chat.emit("send_message", { roomId: "dev", message: "Hi" });
assert.equal((await told(chat, "new_message")).username, "Bob");
campzone.close();
chat.close();
done();
