/** On a real cluster: two clients on two nodes talk, and one of them loses its node. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";

import { Client, type Entry, MemoryStore, Replica, textOf } from "../../src/index.js";
import { mint, realCluster, socketUrl, WebSocket } from "../support/real.js";
import { eventually } from "../support/sockets.js";

const cluster = realCluster();
const [node1, node2, node3] = cluster.nodes as [Node, Node, Node];
type Node = (typeof cluster.nodes)[number];
/** Users of this run, so that it can be repeated on the same cluster. */
const run = randomBytes(4).toString("hex");

function connect(user: string, ...nodes: Node[]): { client: Client; applied: Entry[] } {
  const url = nodes.map((node) => socketUrl(node.url));
  const client = new Client({ url, token: mint(cluster, user), WebSocket });
  const applied: Entry[] = [];
  client.on("entry", (entry) => applied.push(entry));
  return { client: client.start(), applied };
}

function open(user: string, store: MemoryStore, ...nodes: Node[]): Promise<Replica> {
  const url = nodes.map((node) => socketUrl(node.url));
  return Replica.open({ url, token: mint(cluster, user), user, store, WebSocket });
}

async function texts(replica: Replica, conversation: string): Promise<(string | undefined)[]> {
  const { entries, more } = await replica.entries(conversation, { limit: 1_000 });
  assert.equal(more, false);
  return entries.filter(({ body }) => body.message).map(textOf);
}

test("two clients on two nodes talk, and see each other typing and reading", async () => {
  const ann = connect(`ann-${run}`, node1);
  const bob = connect(`bob-${run}`, node2);
  await Promise.all([ann.client.live(), bob.client.live()]);
  assert.deepEqual([ann.client.node, bob.client.node], [node1.id, node2.id]);
  const { id } = await ann.client.createDirect(`bob-${run}`);
  const typing: string[] = [];
  bob.client.on("typing", ({ user, typing: types }) => typing.push(`${user} ${types}`));
  const read: number[] = [];
  ann.client.on("receipts", (change) => read.push(change.read));
  await eventually(() => bob.applied.length === 1);
  ann.client.typing(id, true);
  await eventually(() => typing.includes(`ann-${run} true`));

  for (let n = 1; n <= 5; n += 1) {
    await ann.client.send(id, `ann ${n}`);
    await bob.client.send(id, `bob ${n}`);
  }
  const all = [undefined, ...[1, 2, 3, 4, 5].flatMap((n) => [`ann ${n}`, `bob ${n}`])];
  for (const { applied } of [ann, bob]) {
    await eventually(() => applied.length === all.length);
    assert.deepEqual(applied.map(textOf), all);
    assert.deepEqual(
      applied.map(({ seq }) => seq),
      all.map((_, index) => index + 1),
    );
  }
  ann.client.read(id, all.length);
  bob.client.read(id, all.length);
  await eventually(() => read.includes(all.length));
  const page = await ann.client.history(id, { limit: 3 });
  assert.deepEqual([page.entries.map(textOf), page.more], [["bob 4", "ann 5", "bob 5"], true]);
  ann.client.close();
  bob.client.close();
});

test("a client goes on with a new token when the old one has expired", async () => {
  const lifetimes = [3, 3_600];
  const token = () => mint(cluster, `eve-${run}`, lifetimes.shift());
  const client = new Client({ url: socketUrl(node1.url), token, WebSocket });
  const codes: number[] = [];
  client.on("disconnected", ({ code }) => codes.push(code));
  client.start();
  await client.live();
  await eventually(() => codes.length === 1);
  assert.deepEqual(codes, [4201]);
  await client.live();
  assert.equal(client.stats.connections, 2);
  client.close();

  const refused = new Client({ url: socketUrl(cluster.front), token: "no token", WebSocket }).start();
  await assert.rejects(refused.live(), { reason: "unauthenticated", closeCode: 4200 });
});

test("a replica that comes back has what was said meanwhile, and says what was said offline", async () => {
  const store = new MemoryStore();
  const bob = connect(`bob2-${run}`, node1);
  await bob.client.live();
  const { id } = await bob.client.createGroup([`ann2-${run}`], { name: "Crew" });
  let ann = await open(`ann2-${run}`, store, node2);
  await eventually(() => ann.status.phase === "live");
  await ann.send(id, "one");
  await eventually(async () => (await ann.outbox()).length === 0);
  ann.close();
  await bob.client.send(id, "two");
  await bob.client.send(id, "three");

  // Nobody answers there.
  const nowhere = "ws://127.0.0.1:9/ws";
  const options = { token: mint(cluster, `ann2-${run}`), user: `ann2-${run}`, store, WebSocket };
  ann = await Replica.open({ ...options, url: nowhere });
  await ann.send(id, "four");
  await ann.send(id, "five");
  assert.deepEqual((await ann.entries(id)).entries.map(textOf).at(-1), "one");
  ann.close();

  ann = await Replica.open({ ...options, url: [nowhere, socketUrl(node2.url)] });
  const told: Entry[] = [];
  ann.on("entries", ({ entries }) => told.push(...entries));
  await eventually(() => bob.applied.length === 6);
  assert.deepEqual(bob.applied.map(textOf), [undefined, "one", "two", "three", "four", "five"]);
  await eventually(async () => (await ann.outbox()).length === 0);
  assert.deepEqual(told.map(textOf), ["two", "three", "four", "five"]);
  const record = await ann.conversation(id);
  assert.deepEqual([record?.name, record?.head, record?.unread], ["Crew", 6, 0]);
  ann.close();
  bob.client.close();
});

// The last one: the node stays away.
test("a node is killed under a client in the middle of sending: nothing is lost, doubled or out of order", async () => {
  const MESSAGES = 60;
  const ann = await open(`ann3-${run}`, new MemoryStore(), node3, node2);
  const bob = connect(`bob3-${run}`, node1);
  await bob.client.live();
  await eventually(() => ann.status.phase === "live");
  const { id } = await bob.client.createDirect(`ann3-${run}`);
  await eventually(async () => (await ann.conversation(id)) !== undefined);
  assert.equal(ann.status.node, node3.id);
  const said = Array.from({ length: MESSAGES }, (_, index) => `ann ${index}`);
  const nodes: (string | undefined)[] = [];
  ann.on("status", ({ node, phase }) => phase === "live" && nodes.push(node));
  for (const [index, text] of said.entries()) {
    await ann.send(id, text);
    if (index % 10 === 0) void bob.client.send(id, `bob ${index}`);
    if (index === MESSAGES / 3) {
      assert.ok(node3.pid);
      process.kill(node3.pid, "SIGKILL");
    }
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  await eventually(async () => (await ann.outbox()).length === 0, 30_000);
  assert.deepEqual(nodes, [node2.id]);
  await eventually(() => bob.applied.length === 1 + MESSAGES + 6);
  const seqs = bob.applied.map(({ seq }) => seq);
  assert.deepEqual(
    seqs,
    seqs.map((_, index) => index + 1),
  );
  const heard = bob.applied.map(textOf);
  assert.deepEqual(
    heard.filter((text) => text?.startsWith("ann")),
    said,
  );
  await eventually(async () => (await ann.conversation(id))?.cursor === seqs.length);
  assert.deepEqual(await texts(ann, id), heard.slice(1));
  ann.close();
  bob.client.close();
});
