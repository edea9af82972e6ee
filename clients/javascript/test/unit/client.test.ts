/** A client against a server that says what the test says, in time that passes when the test says so. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, type ClientEvents, type ClientOptions, EndedError, RefusedError } from "../../src/index.js";
import { VirtualClock } from "../support/clock.js";
import { entry, ScriptedServer, state } from "../support/scripted.js";

function set(options: Partial<ClientOptions> = {}) {
  const clock = new VirtualClock();
  const server = new ScriptedServer();
  const { WebSocket } = server;
  const client = new Client({ url: "ws://a/ws", token: "t", WebSocket, clock, ...options });
  const told: string[] = [];
  const tell = (type: keyof ClientEvents, say: (event: never) => unknown) =>
    client.on(type, (event) => told.push(`${type} ${say(event as never)}`));
  tell("entry", (event: ClientEvents["entry"]) => event.seq);
  tell("removed", (event: ClientEvents["removed"]) => event.conversation);
  tell("disconnected", (event: ClientEvents["disconnected"]) => event.code);
  tell("ended", (event: EndedError) => event.reason);
  tell("unknown", (event: ClientEvents["unknown"]) => event.type);
  client.start();
  return { clock, server, client, told };
}

test("the token is said in the first frame, and the URL is left alone", async () => {
  const { server, client } = set({ cursors: { c: 7 } });
  const peer = await server.accept();
  assert.equal(peer.url, "ws://a/ws");
  assert.equal(peer.protocols, "starling.v1.json");
  const auth = await peer.hear("auth");
  assert.deepEqual(auth.fields, { token: "t" });
  assert.deepEqual(await peer.rest(), [], "nothing before the server is ready");
  peer.event("ready", { user: "ann", node: "n1", connection: "x", heartbeat_ms: 25_000 });
  peer.ok(auth, "done", {});
  await client.connected();
  assert.deepEqual([client.user, client.node, client.phase], ["ann", "n1", "ready"]);
  const sync = await peer.hear("sync");
  assert.deepEqual(sync.fields, { cursors: { c: 7 } });
  peer.ok(sync, "synced", { conversations: 1 });
  await client.live();
  assert.equal(client.phase, "live");
});

test("doubles are dropped and holes are filled before anything goes on", async () => {
  const { server, client, told } = set({ deliveredMarks: "manual" });
  const { peer } = await server.serve();
  peer.event("conversation", state("c", 1));
  for (const seq of [2, 2, 4, 5]) peer.event("entry", entry("c", seq));
  const history = await peer.hear("history");
  assert.deepEqual(history.fields, { conversation: "c", after: 2, limit: 100 });
  peer.ok(history, "history", { entries: [entry("c", 3), entry("c", 4)], more: true });
  assert.deepEqual(told, ["entry 2", "entry 3", "entry 4", "entry 5"]);
  assert.deepEqual([client.stats.duplicates, client.stats.gaps], [1, 1]);
  assert.deepEqual(client.cursors(), { c: 5 });
});

test("holes are filled one after the other, and again after a connection that broke in the middle", async () => {
  const { clock, server, client, told } = set({ deliveredMarks: "manual" });
  const { peer } = await server.serve();
  peer.event("conversation", state("c", 0));
  for (let seq = 2; seq <= 40; seq += 2) {
    peer.event("entry", entry("c", seq));
    const history = await peer.hear("history");
    peer.ok(history, "history", { entries: [entry("c", seq - 1), entry("c", seq)], more: false });
  }
  assert.deepEqual(
    told,
    Array.from({ length: 40 }, (_, index) => `entry ${index + 1}`),
  );
  peer.event("entry", entry("c", 43));
  await peer.hear("history");
  peer.close(1006);
  await clock.pass(100);
  const { peer: next } = await server.serve();
  next.event("conversation", state("c", 40));
  for (const seq of [41, 42, 45]) next.event("entry", entry("c", seq));
  const history = await next.hear("history");
  assert.deepEqual(history.fields["after"], 42);
  next.ok(history, "history", { entries: [entry("c", 43), entry("c", 44)], more: true });
  assert.deepEqual(client.cursors(), { c: 45 });
});

test("after a lost reply the send goes out again first, to the next URL, from the cursors that there are", async () => {
  const { clock, server, client, told } = set({ url: ["ws://a/ws", "ws://b/ws"], deliveredMarks: "manual" });
  const { peer } = await server.serve();
  peer.event("conversation", state("c", 0));
  peer.event("entry", entry("c", 1));
  const first = client.send("c", "one");
  const second = client.send("c", "two");
  const asked = await peer.hear("send");
  assert.deepEqual(await peer.rest(), [], "one at a time");
  peer.close(1006);
  await clock.pass(100);
  assert.equal(client.phase, "away");

  const { peer: next, cursors } = await server.serve();
  assert.equal(next.url, "ws://b/ws");
  assert.deepEqual(cursors, { c: 1 });
  const again = await next.hear("send");
  assert.deepEqual(again.fields, { ...asked.fields, retry: true });
  next.ok(again, "sent", { conversation: "c", seq: 2, lamport: 2, at: 1 });
  assert.equal((await first).seq, 2);
  const then = await next.hear("send");
  assert.equal(then.fields["text"], "two");
  assert.equal("retry" in then.fields, false);
  next.ok(then, "sent", { conversation: "c", seq: 3, lamport: 3, at: 1 });
  assert.equal((await second).seq, 3);
  assert.deepEqual(told, ["entry 1", "disconnected 1006"]);
});

test("an unknown outcome freezes the connection until the server closes it", async () => {
  const { clock, server, client } = set();
  const { peer } = await server.serve();
  const sent = client.send("c", "x");
  peer.refuse(await peer.hear("send"), "unknown");
  void client.send("c", "y");
  assert.deepEqual(await peer.rest(), [], "nothing overtakes it");
  await clock.pass(1_000);
  assert.equal(peer.socket.closedWith, 1000, "a server that does not close is left");
  await clock.pass(100);
  const { peer: next } = await server.serve();
  const again = await next.hear("send");
  assert.equal(again.fields["retry"], true);
  next.ok(again, "sent", { conversation: "c", seq: 9, lamport: 9, at: 1 });
  assert.equal((await sent).seq, 9);
});

test("refusals reach who asked", async () => {
  const { server, client } = set();
  const { peer } = await server.serve();
  const sent = client.send("c", "x");
  peer.refuse(await peer.hear("send"), "not_a_member");
  await assert.rejects(sent, (error: RefusedError) => error.code === "not_a_member");
  const isTooLarge = (error: RefusedError) => error.code === "too_large";
  await assert.rejects(client.send("c", "x".repeat(70_000)), isTooLarge);
  await assert.rejects(client.send("c", "ö".repeat(32_760)), isTooLarge, "bytes count");
  const send = { client_id: "i", conversation: "c", text: "" };
  const room = 65_536 - JSON.stringify({ id: Number.MAX_SAFE_INTEGER, send }).length;
  const retry = ',"retry":true'.length;
  const tooLong = client.send("c", "x".repeat(room - retry + 1), { client_id: "i" });
  await assert.rejects(tooLong, isTooLarge, "there must be room for `retry`");
  client.send("c", "x".repeat(room - retry), { client_id: "i" }).catch(() => undefined);
  await peer.hear("send");
});

test("close codes say when to come back", async () => {
  const check = async (code: number, ms: number) => {
    const { clock, server } = set();
    const { peer } = await server.serve();
    // Long enough to count as a success.
    await clock.pass(3_000);
    peer.close(code);
    await clock.pass(ms - 1);
    const before = server.peers.length;
    await clock.pass(ms);
    assert.deepEqual([before, server.peers.length], [1, 2], `${code} within ${ms} to ${2 * ms} ms`);
  };
  await check(4101, 250);
  for (const code of [4000, 1001]) {
    const { clock, server } = set();
    const { peer } = await server.serve();
    peer.close(code);
    await clock.pass(100);
    assert.equal(server.peers.length, 2, String(code));
  }
  for (const [code, reason] of [
    [4202, "refused"],
    [4200, "unauthenticated"],
    [4204, "signed_out"],
  ] as const) {
    const { clock, server, client, told } = set();
    const { peer } = await server.serve();
    const sent = client.send("c", "x");
    peer.close(code);
    await assert.rejects(sent, (error: EndedError) => error.reason === reason && error.closeCode === code);
    await clock.pass(60_000);
    assert.equal(server.peers.length, 1);
    assert.deepEqual(told, [`disconnected ${code}`, `ended ${reason}`]);
    await assert.rejects(client.send("c", "x"), EndedError);
  }
});

test("an expired token is replaced; the same one again ends the client", async () => {
  const tokens = ["a", "b", "b"];
  const { clock, server, told } = set({ token: async () => tokens.shift() as string });
  const { peer } = await server.serve();
  peer.close(4201);
  await clock.pass(100);
  const next = await server.accept();
  assert.deepEqual((await next.hear("auth")).fields, { token: "b" });
  next.close(4200);
  await clock.pass(3_000);
  assert.equal(server.peers.length, 2);
  assert.deepEqual(told.at(-1), "ended unauthenticated");
});

test("addresses that do not answer are tried with pauses that grow, and at once when the network is back", async () => {
  const { clock, server, client } = set();
  server.refusing = true;
  const { peer } = await server.serve().catch(() => ({ peer: undefined }));
  assert.equal(peer, undefined);
  await clock.pass(60_000);
  server.refusing = false;
  client.wake();
  assert.ok(await server.serve());
});

test("a silent connection is asked for a sign of life, and given up", async () => {
  const { clock, server, told } = set();
  const { peer } = await server.serve();
  await clock.pass(25_000);
  peer.ok(await peer.hear("ping"), "pong", { at: 1 });
  await clock.pass(25_000);
  await peer.hear("ping");
  await clock.pass(10_000);
  assert.deepEqual(told, ["disconnected 1006"]);
  await clock.pass(100);
  assert.equal(server.peers.length, 2);
});

test("one who comes back to his device does not wait long for a dead connection", async () => {
  const { clock, server, client, told } = set();
  const { peer } = await server.serve();
  client.wake();
  await peer.hear("ping");
  await clock.pass(4_000);
  assert.deepEqual(told, ["disconnected 1006"]);
});

test("what was passed on is marked as delivered, once a second and again where it was lost", async () => {
  const { clock, server } = set();
  const { peer } = await server.serve();
  peer.event("conversation", state("c", 0));
  peer.event("entry", entry("c", 1));
  assert.deepEqual((await peer.hear("delivered")).fields, { conversation: "c", seq: 1 });
  peer.event("entry", entry("c", 2));
  peer.event("entry", entry("c", 3));
  assert.deepEqual(await peer.rest(), []);
  await clock.pass(1_000);
  assert.deepEqual((await peer.hear("delivered")).fields, { conversation: "c", seq: 3 });
  peer.close(4000);
  await clock.pass(1_000);
  const { peer: next } = await server.serve();
  assert.deepEqual((await next.hear("delivered")).fields, { conversation: "c", seq: 3 });
});

test("what is of the moment is not said later", async () => {
  const { clock, server, client } = set();
  client.typing("c", true);
  client.setAvailability("away");
  const { peer } = await server.serve();
  assert.deepEqual((await peer.hear("presence")).fields, { state: "away" });
  client.typing("c", true);
  await peer.hear("typing");
  peer.close(4000);
  await clock.pass(100);
  const { peer: next } = await server.serve();
  assert.deepEqual(await next.rest(), ["presence"], "the state is the connection's");
});

test("conversations that the server does not start are asked for again", async () => {
  const { clock, server, client } = set({ cursors: { c: 3, gone: 1 }, deliveredMarks: "manual" });
  const peer = await server.accept();
  const auth = await peer.hear("auth");
  peer.event("ready", { user: "ann", node: "n", connection: "x", heartbeat_ms: 25_000 });
  peer.ok(auth, "done", {});
  const refused = { c: { code: "unavailable", message: "" }, gone: { code: "not_a_member", message: "" } };
  peer.ok(await peer.hear("sync"), "synced", { conversations: 0, refused });
  const history = await peer.hear("history");
  assert.deepEqual(history.fields, { conversation: "gone", after: 1, limit: 100 });
  const removal = entry("gone", 2, { body: { left: { user: "ann" } } });
  peer.ok(history, "history", { entries: [removal], more: false });
  await clock.pass(500);
  assert.deepEqual((await peer.hear("sync")).fields, { cursors: { c: 3 } });
  assert.deepEqual(client.cursors(), { c: 3, gone: 2 });
});

test("entries and events of later versions are taken as they are", async () => {
  const { server, client, told } = set({ deliveredMarks: "manual" });
  const { peer } = await server.serve();
  peer.event("conversation", state("c", 0));
  peer.event("entry", entry("c", 1, { body: { poll: { question: "?" } }, colour: "red" }));
  peer.event("poll_closed", { conversation: "c" });
  peer.event("entry", entry("c", 2));
  assert.deepEqual(told, ["entry 1", "unknown poll_closed", "entry 2"]);
  assert.equal(client.phase, "live");
});

test("a listener that throws does not stop the others", async (context) => {
  const thrown: unknown[] = [];
  const catcher = (error: unknown) => thrown.push(error);
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException").on("uncaughtException", catcher);
  context.after(() => {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  });
  const { server, client } = set({ deliveredMarks: "manual" });
  client.on("entry", () => {
    throw new Error("the application's mistake");
  });
  const seqs: number[] = [];
  client.on("entry", ({ seq }) => seqs.push(seq));
  const { peer } = await server.serve();
  peer.event("conversation", state("c", 0));
  peer.event("entry", entry("c", 1));
  peer.event("entry", entry("c", 2));
  await peer.rest();
  assert.deepEqual(seqs, [1, 2]);
  assert.equal(thrown.length, 2);
});

test("a listener may close the client", async () => {
  const { server, client, told } = set();
  client.on("entry", () => client.close());
  const { peer } = await server.serve();
  peer.event("conversation", state("c", 0));
  peer.event("entry", entry("c", 1));
  peer.event("entry", entry("c", 2));
  await peer.rest();
  assert.deepEqual(told, ["entry 1", "disconnected 1000", "ended closed"]);
  assert.equal(peer.socket.closedWith, 1000);
});
