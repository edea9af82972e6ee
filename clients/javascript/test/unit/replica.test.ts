/** What a user has on his device: there at once, and in the end the same as the cluster's. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  type Entry,
  EndedError,
  MemoryStore,
  Replica,
  type ReplicaEvents,
  RefusedError,
  type MessageStatus,
  type OutboxItem,
  type Store,
  statusOf,
  textOf,
} from "../../src/index.js";
import { applyRemoval, noChanges } from "../../src/local_log.js";
import { MAX_ARRIVALS } from "../../src/replica.js";
import { settled, VirtualClock } from "../support/clock.js";
import { FakeCluster, MANY_FAULTS, NO_FAULTS } from "../support/cluster.js";
import { linesTo, type Network } from "../support/lines.js";
import { entry, ScriptedServer, state } from "../support/scripted.js";

class Fixture {
  readonly clock: VirtualClock;
  readonly cluster: FakeCluster;

  constructor(seed = 1) {
    this.clock = new VirtualClock(seed);
    this.cluster = new FakeCluster(() => this.clock.random());
    this.cluster.create("c", ["ann", "bob"]);
  }

  async device(
    user: string,
    store: Store = new MemoryStore(),
    network: Network = { isUp: true },
  ): Promise<Device> {
    const WebSocket = linesTo(this.cluster, this.clock, network);
    const options = { url: ["ws://node1/ws", "ws://node2/ws"], token: user, user, store, WebSocket };
    const replica = await Replica.open({ ...options, clock: this.clock });
    return new Device(this, replica, store, network);
  }

  texts(conversation = "c"): (string | undefined)[] {
    const log = this.cluster.logs.get(conversation);
    return (log?.entries ?? []).flatMap((entry) => (entry.body.message ? [entry.body.message.text] : []));
  }
}

class Device {
  /** What its listeners were told, as a page would keep it. */
  readonly told: Entry[] = [];

  constructor(
    readonly fixture: Fixture,
    readonly replica: Replica,
    readonly store: Store,
    readonly network: Network,
  ) {
    replica.on("entries", ({ entries }) => this.told.push(...entries));
  }

  async status(conversation: string, message: Entry | OutboxItem | undefined): Promise<MessageStatus> {
    const record = await this.replica.conversation(conversation);
    assert.ok(record && message);
    return statusOf(message, record);
  }

  live(): Promise<void> {
    return this.fixture.clock.until(() => this.replica.status.phase === "live");
  }

  async texts(): Promise<(string | undefined)[]> {
    const { entries } = await this.fixture.clock.meanwhile(this.replica.entries("c", { limit: 1_000 }));
    return entries.filter(({ body }) => body.message).map(textOf);
  }

  async outbox(): Promise<number> {
    return (await this.replica.outbox()).length;
  }

  /** The page goes away, and comes back. */
  reload(): Promise<Device> {
    this.replica.close();
    return this.fixture.device("ann", this.store, this.network);
  }
}

test("what was said offline is there at once, and goes out in order under the same client ids", async () => {
  const fixture = new Fixture();
  const { clock } = fixture;
  let ann = await fixture.device("ann");
  await ann.live();
  ann.network.isUp = false;
  for (const connection of fixture.cluster.connections) connection.close(1006);
  const ids = [await ann.replica.send("c", "one"), await ann.replica.send("c", "two")];
  ann = await ann.reload();
  await clock.pass(10_000);
  assert.equal(ann.replica.status.phase, "away");
  ids.push(await ann.replica.send("c", "three"));
  const waiting = await ann.replica.outbox("c");
  assert.deepEqual(
    waiting.map(({ client_id }) => client_id),
    ids,
  );
  assert.deepEqual(fixture.texts(), []);

  ann.network.isUp = true;
  await clock.until(async () => (await ann.outbox()) === 0);
  assert.deepEqual(fixture.texts(), ["one", "two", "three"]);
  const { entries = [] } = fixture.cluster.logs.get("c") ?? {};
  assert.deepEqual(
    entries.slice(1).map(({ client_id }) => client_id),
    ids,
  );
  assert.deepEqual(await ann.texts(), ["one", "two", "three"]);
  // The page before may have sent the first two.
  assert.deepEqual(
    fixture.cluster.sends.map(({ retry }) => retry === true),
    [true, true, false],
  );
});

test("a page is never told of an entry twice, and has what came while it was away", async () => {
  const fixture = new Fixture();
  let ann = await fixture.device("ann");
  await ann.live();
  fixture.cluster.append("c", "bob", { message: { text: "one" } });
  await fixture.clock.until(() => ann.told.length === 2);
  ann = await ann.reload();
  assert.deepEqual(await ann.texts(), ["one"], "before there is a connection");
  fixture.cluster.append("c", "bob", { message: { text: "two" } });
  await ann.live();
  await fixture.clock.until(() => ann.told.length > 0);
  assert.deepEqual(ann.told.map(textOf), ["two"]);
  assert.deepEqual(await ann.texts(), ["one", "two"]);
});

test("at no moment is a message both in the outbox and in the log, or in neither", async () => {
  const fixture = new Fixture();
  const ann = await fixture.device("ann");
  await ann.live();
  const id = await ann.replica.send("c", "hello");
  let seen = 0;
  const look = () =>
    ann.store.read(async (tables) => {
      const entries = await tables.entries("c", { from: 1, to: 99, limit: 99, nearest: "from" });
      const inLog = entries.filter(({ client_id }) => client_id === id).length;
      const inOutbox = (await tables.outbox()).length;
      assert.equal(inLog + inOutbox, 1);
      seen = inLog;
    });
  for (let step = 0; step < 50; step += 1) {
    await look();
    await fixture.clock.pass(1);
  }
  assert.equal(seen, 1);
});

test("a refused send stays until it is retried or discarded, and holds up nothing", async () => {
  const fixture = new Fixture();
  fixture.cluster.create("closed", ["bob", "ann"]);
  const ann = await fixture.device("ann");
  await ann.live();
  fixture.cluster.logs.get("closed")?.members.delete("ann");
  const first = await ann.replica.send("closed", "may I?");
  await ann.replica.send("c", "hello");
  await fixture.clock.until(async () => (await ann.outbox()) === 1);
  assert.deepEqual(fixture.texts(), ["hello"]);
  const [item] = await ann.replica.outbox("closed");
  assert.equal(item?.failed?.code, "not_a_member");
  assert.equal(await ann.status("closed", item), "failed");

  fixture.cluster.logs.get("closed")?.members.add("ann");
  const second = await ann.replica.retry(first);
  assert.notEqual(second, first);
  await fixture.clock.until(async () => (await ann.outbox()) === 0);
  assert.deepEqual(fixture.texts("closed"), ["may I?"]);

  fixture.cluster.logs.get("closed")?.members.delete("ann");
  const third = await ann.replica.send("closed", "and now?");
  await fixture.clock.until(async () => (await ann.replica.outbox())[0]?.failed !== undefined);
  assert.equal(await ann.replica.retry("nobody's"), undefined);
  await ann.replica.discard(third);
  assert.equal(await ann.outbox(), 0);
});

test("a message is sending, then stored, delivered and read", async () => {
  const fixture = new Fixture();
  const network = { isUp: true };
  const ann = await fixture.device("ann", new MemoryStore(), network);
  await ann.live();
  network.isUp = false;
  await ann.replica.send("c", "hello");
  const [item] = await ann.replica.outbox();
  assert.equal(await ann.status("c", item), "sending");
  network.isUp = true;
  await fixture.clock.until(async () => (await ann.outbox()) === 0);
  const sent = (await ann.replica.entries("c")).entries.find((entry) => textOf(entry) === "hello");
  assert.equal(await ann.status("c", sent), "pending");
  const record = await ann.replica.conversation("c");
  assert.ok(record && sent);
  const heard = (deliveredToAll: number, readByAll: number) =>
    statusOf(sent, { ...record, deliveredToAll, readByAll });
  assert.equal(heard(sent.seq - 1, 0), "pending");
  assert.equal(heard(sent.seq, sent.seq - 1), "delivered");
  assert.equal(heard(sent.seq, sent.seq), "read");
  assert.equal(statusOf({ ...(item as OutboxItem), stored: sent.seq }, record), "pending");
});

test("edits, deletions and reactions show on the message, live and after a reload", async () => {
  const fixture = new Fixture();
  let ann = await fixture.device("ann");
  const bob = await fixture.device("bob");
  await ann.live();
  await bob.live();
  const changed: ReplicaEvents["messages"][] = [];
  bob.replica.on("messages", (event) => changed.push(event));
  for (const text of ["helo", "oops"]) await ann.replica.send("c", text);
  await fixture.clock.until(async () => (await bob.texts()).length === 2);
  await ann.replica.edit("c", 2, "hello");
  await ann.replica.delete("c", 3);
  await fixture.clock.until(async () => (await ann.outbox()) === 0);
  await bob.replica.react("c", 2, "👍");
  await fixture.clock.until(async () => (await bob.outbox()) === 0);
  await fixture.clock.until(() => changed.length >= 3);
  assert.deepEqual(await bob.texts(), ["hello", undefined]);
  ann = await ann.reload();
  assert.deepEqual(await ann.texts(), ["hello", undefined]);
  const message = await ann.replica.entry("c", 2);
  assert.deepEqual(message?.state?.reactions, { "👍": ["bob"] });
  const shown = changed.flatMap(({ messages }) => messages).map(({ seq, state }) => [seq, state?.changed]);
  assert.deepEqual(
    new Map(shown as [number, number][]),
    new Map([
      [2, 6],
      [3, 5],
    ]),
  );

  // On a device that reads it all from the log.
  const other = await fixture.device("ann");
  await other.live();
  await fixture.clock.until(async () => (await other.texts()).length === 2);
  assert.deepEqual(await other.texts(), ["hello", undefined]);
});

test("what changes nothing leaves the outbox when the log has got to where it was answered", async () => {
  const clock = new VirtualClock();
  const server = new ScriptedServer();
  const { WebSocket } = server;
  const replica = await Replica.open({
    url: "ws://a/ws",
    token: "t",
    user: "ann",
    store: new MemoryStore(),
    WebSocket,
    clock,
  });
  const { peer } = await server.serve();
  peer.event("conversation", state("c", 4, { delivered: 4 }));
  await replica.react("c", 2, "👍");
  const react = await peer.hear("react");
  const { client_id } = react.fields;
  // It was so already, and somebody else has said something meanwhile.
  peer.ok(react, "sent", { conversation: "c", seq: 5, lamport: 5, at: 1, client_id });
  await settled();
  assert.deepEqual(
    (await replica.outbox()).map(({ stored }) => stored),
    [5],
  );
  await replica.send("d", "next");
  assert.deepEqual(await peer.rest(), ["send"], "it is not sent again meanwhile");
  peer.event("entry", entry("c", 5));
  await settled();
  assert.deepEqual(
    (await replica.outbox()).map(({ conversation }) => conversation),
    ["d"],
  );
  replica.close();
});

test("an outbox whose answers come before the log goes on, however much is said", async () => {
  const clock = new VirtualClock();
  const server = new ScriptedServer();
  const { WebSocket } = server;
  const replica = await Replica.open({
    url: "ws://a/ws",
    token: "t",
    user: "ann",
    store: new MemoryStore(),
    WebSocket,
    clock,
  });
  const { peer } = await server.serve();
  peer.event("conversation", state("c", 4, { delivered: 4 }));
  // More than are handed to the client at a time.
  for (let seq = 5; seq < 305; seq += 1) {
    await replica.send("c", `message ${seq}`);
    const send = await peer.hear("send");
    const { client_id } = send.fields;
    peer.ok(send, "sent", { conversation: "c", seq, lamport: seq, at: 1, client_id });
    await settled();
    peer.event("entry", entry("c", seq, { sender: "ann", client_id }));
    // It is marked as delivered, once: no time passes.
    assert.deepEqual(await peer.rest(), seq === 5 ? ["delivered"] : []);
    assert.deepEqual(await replica.outbox(), []);
  }
  replica.close();
});

test("what was stored in a conversation that is deleted for all waits for its log no more", async () => {
  const store = new MemoryStore();
  const changes = noChanges();
  const left = await store.write(async (tables) => {
    for (const [client_id, conversation, stored] of [
      ["stored", "c", 7],
      ["unknown", "c", undefined],
      ["elsewhere", "d", 7],
    ] as const) {
      const command = { name: "send", fields: { conversation, client_id, text: "hello" } } as const;
      const item = { client_id, conversation, command, at: 1 };
      await tables.addToOutbox(stored === undefined ? item : { ...item, stored });
    }
    await applyRemoval(tables, { conversation: "c", dissolved: true }, changes);
    return (await tables.outbox()).map(({ client_id }) => client_id);
  });
  assert.deepEqual([left, changes.outbox], [["unknown", "elsewhere"], true]);
});

test("what the client has no room for is overtaken by nothing", async () => {
  const clock = new VirtualClock();
  const server = new ScriptedServer();
  const { WebSocket } = server;
  const replica = await Replica.open({
    url: "ws://a/ws",
    token: "t",
    user: "ann",
    store: new MemoryStore(),
    WebSocket,
    clock,
  });
  const { peer } = await server.serve();
  const asked = Array.from({ length: 1_024 }, () => replica.request("ping", {}));
  await replica.send("c", "first");
  await settled();
  peer.ok(await peer.hear("ping"), "pong", { at: 1 });
  await replica.send("c", "second");
  for (let n = 1; n < asked.length; n += 1) peer.ok(await peer.hear("ping"), "pong", { at: 1 });
  await Promise.all(asked);
  await clock.pass(2_000);
  for (const text of ["first", "second"]) {
    const send = await peer.hear("send");
    assert.equal(send.fields["text"], text);
    const { client_id } = send.fields;
    peer.ok(send, "sent", { conversation: "c", seq: 5, lamport: 5, at: 1, client_id });
  }
  replica.close();
});

test("older history comes from the server once, and from the store from then on", async () => {
  const fixture = new Fixture();
  for (let n = 1; n <= 500; n += 1) fixture.cluster.append("c", "bob", { message: { text: `text ${n}` } });
  fixture.cluster.marks.set("delivered c ann", 501);
  const ann = await fixture.device("ann");
  await ann.live();
  await fixture.clock.until(async () => (await ann.replica.conversation("c")) !== undefined);
  assert.deepEqual((await ann.replica.conversation("c"))?.unread, 500);

  const newest = await fixture.clock.meanwhile(ann.replica.entries("c", { limit: 60 }));
  assert.deepEqual([newest.entries.length, newest.entries.at(-1)?.seq, newest.more], [60, 501, true]);
  ann.network.isUp = false;
  for (const connection of fixture.cluster.connections) connection.close(1006);
  await fixture.clock.pass(100);
  const again = await ann.replica.entries("c", { limit: 60 });
  assert.deepEqual(again, newest);
  let older = await ann.replica.entries("c", { before: 442 });
  assert.deepEqual(older, { entries: [], more: true }, "not here, and there is no network");

  ann.network.isUp = true;
  await ann.live();
  older = await ann.replica.entries("c", { before: 442, only: "stored" });
  assert.deepEqual(older, { entries: [], more: true });
  const broken = ann.replica.entries("c", { before: 462, limit: 40 });
  await settled();
  for (const connection of fixture.cluster.connections) connection.close(1006);
  const here = await fixture.clock.meanwhile(broken);
  assert.deepEqual(
    here.entries.map(({ seq }) => seq),
    Array.from({ length: 20 }, (_, index) => 442 + index),
  );
  await ann.live();
  let before = 442;
  for (;;) {
    const { entries, more } = await fixture.clock.meanwhile(ann.replica.entries("c", { before }));
    assert.equal(entries.at(-1)?.seq, before - 1);
    before = entries[0]?.seq ?? 0;
    if (!more) break;
  }
  assert.equal(before, 1);
});

test("what was read offline is told later, and never goes back", async () => {
  const fixture = new Fixture();
  fixture.cluster.append("c", "bob", { message: { text: "one" } });
  fixture.cluster.append("c", "bob", { message: { text: "two" } });
  let ann = await fixture.device("ann");
  await ann.live();
  await fixture.clock.until(() => ann.told.length === 3);
  ann.network.isUp = false;
  for (const connection of fixture.cluster.connections) connection.close(1006);
  await ann.replica.read("c", 2);
  assert.equal((await ann.replica.conversation("c"))?.unread, 1);
  ann = await ann.reload();
  ann.network.isUp = true;
  await fixture.clock.until(() => fixture.cluster.marks.get("read c ann") === 2);
  await ann.live();
  assert.equal((await ann.replica.conversation("c"))?.unread, 1);
});

test("one who was removed and added again while away has all that lies between", async () => {
  const fixture = new Fixture();
  fixture.cluster.create("g", ["bob", "ann"]);
  let ann = await fixture.device("ann");
  await ann.live();
  fixture.cluster.append("g", "bob", { left: { user: "ann" } });
  await fixture.clock.until(async () => (await ann.replica.conversation("g"))?.member === false);
  ann = await ann.reload();
  await ann.live();
  assert.equal((await ann.replica.conversation("g"))?.member, false);
  assert.ok(!fixture.cluster.heard.includes("history"), "nothing is asked about what was left");
  ann.replica.close();
  fixture.cluster.append("g", "bob", { message: { text: "about ann" } });
  fixture.cluster.append("g", "bob", { joined: { users: ["ann"], role: "moderator" } });
  fixture.cluster.append("g", "bob", { message: { text: "welcome back" } });
  fixture.cluster.marks.set("delivered g ann", 4);
  ann = await ann.reload();
  await fixture.clock.until(async () => (await ann.replica.conversation("g"))?.cursor === 5);
  const { entries } = await ann.replica.entries("g");
  assert.deepEqual(
    entries.map(({ seq }) => seq),
    [1, 2, 3, 4, 5],
  );
  assert.equal((await ann.replica.conversation("g"))?.member, true);
});

test("what has come is marked as delivered, and a page is not told twice of what it was told", async () => {
  const fixture = new Fixture();
  const ann = await fixture.device("ann");
  await ann.live();
  fixture.cluster.append("c", "bob", { message: { text: "one" } });
  await fixture.clock.until(() => fixture.cluster.marks.get("delivered c ann") === 2);
  for (const connection of fixture.cluster.connections) connection.close(4000);
  fixture.cluster.append("c", "bob", { message: { text: "two" } });
  await fixture.clock.until(() => fixture.cluster.marks.get("delivered c ann") === 3);
  assert.deepEqual(
    ann.told.map(({ seq }) => seq),
    [1, 2, 3],
  );
});

test("where the cluster has another log, ours goes, and the other one comes", async () => {
  const fixture = new Fixture();
  let ann = await fixture.device("ann");
  await ann.live();
  for (const text of ["one", "two"]) fixture.cluster.append("c", "bob", { message: { text } });
  await fixture.clock.until(() => ann.told.length === 3);
  const reset: string[] = [];
  ann.replica.on("reset", ({ conversation }) => reset.push(conversation));
  fixture.cluster.logs.clear();
  fixture.cluster.marks.clear();
  for (const connection of fixture.cluster.connections) connection.close(1006);
  fixture.cluster.create("c", ["ann", "bob"]);
  fixture.cluster.append("c", "bob", { message: { text: "anew" } });
  await fixture.clock.until(() => ann.told.length === 5);
  assert.deepEqual([reset, ann.told.slice(3).map(({ seq }) => seq)], [["c"], [1, 2]]);
  assert.deepEqual(await ann.texts(), ["anew"]);

  fixture.cluster.append("c", "bob", { dissolved: {} });
  await fixture.clock.until(() => reset.length === 2);
  assert.deepEqual(await ann.replica.conversations(), []);
  ann = await ann.reload();
  assert.deepEqual(
    (await ann.replica.entries("c")).entries,
    [],
    "nothing is kept of what is deleted for all",
  );
});

test("a store that fails ends the replica, and what was asked of it", async () => {
  const fixture = new Fixture();
  const store = new MemoryStore();
  let isFull = false;
  const full: Store = {
    shared: undefined,
    read: (work) => store.read(work),
    write: (work) => (isFull ? Promise.reject(new Error("quota exceeded")) : store.write(work)),
    close: () => store.close(),
  };
  const ann = await fixture.device("ann", full);
  await ann.live();
  isFull = true;
  fixture.cluster.append("c", "bob", { message: { text: "too much" } });
  await fixture.clock.until(() => ann.replica.status.phase === "ended");
  assert.deepEqual(ann.replica.status.ended, { reason: "store", message: "Error: quota exceeded" });
  await assert.rejects(ann.replica.send("c", "x"), { message: "quota exceeded" });
  await assert.rejects(ann.replica.request("ping", {}), { reason: "store" });
  await fixture.clock.pass(60_000);
  assert.equal(fixture.cluster.connections.size, 0);
});

test("a store is one user's", async () => {
  const fixture = new Fixture();
  const ann = await fixture.device("ann");
  await ann.live();
  ann.replica.close();
  await assert.rejects(
    fixture.device("bob", ann.store),
    (error: EndedError) => error.reason === "other_user",
  );

  const store = new MemoryStore();
  const WebSocket = linesTo(fixture.cluster, fixture.clock);
  const options = { url: "ws://node1/ws", token: "bob", user: "ann", store, WebSocket };
  const mixed = await Replica.open({ ...options, clock: fixture.clock });
  await fixture.clock.until(() => mixed.status.phase === "ended");
  assert.equal(mixed.status.ended?.reason, "other_user");
  assert.deepEqual(await mixed.conversations(), [], "nothing of the other's was kept");
});

test("a connection that has ended for good begins anew when there is another token", async () => {
  const fixture = new Fixture();
  let token = "bad";
  const WebSocket = linesTo(fixture.cluster, fixture.clock);
  const options = {
    url: "ws://node1/ws",
    user: "ann",
    store: new MemoryStore(),
    WebSocket,
    clock: fixture.clock,
  };
  const replica = await Replica.open({ ...options, token: () => token });
  await fixture.clock.until(() => replica.status.phase === "ended");
  assert.equal(replica.status.ended?.reason, "unauthenticated");
  await replica.send("c", "later");
  token = "ann";
  replica.connect();
  await fixture.clock.until(async () => (await replica.outbox()).length === 0);
  assert.deepEqual(fixture.texts(), ["later"]);
  const other = replica.request("edit", { conversation: "none", seq: 1, text: "x" });
  await assert.rejects(
    fixture.clock.meanwhile(other),
    (error: RefusedError) => error.code === "unknown_conversation",
  );
});

test("more than a store can write for now drops the connection, and loses nothing", async () => {
  const fixture = new Fixture();
  const { entries } = fixture.cluster.logs.get("c") ?? assert.fail();
  const last = MAX_ARRIVALS + 1_500;
  const [first] = entries as [Entry];
  // Only the log: nobody follows yet.
  while (entries.length < last) entries.push({ ...first, seq: entries.length + 1, body: { void: {} } });

  const store = new MemoryStore();
  await store.write((tables) =>
    tables.putConversation({
      ...{
        id: "c",
        kind: "group",
        open: false,
        hidden: false,
        role: "member",
        member: true,
        first: 1,
        cursor: 0,
        head: 0,
      },
      ...{ read: 0, deliveredToAll: 0, readByAll: 0, unread: 0, messages: 0, messagesRead: 0 },
    }),
  );
  let isSlow = true;
  const slow: Store = {
    shared: undefined,
    read: (work) => store.read(work),
    async write(work) {
      if (isSlow) await new Promise<void>((resolve) => fixture.clock.after(1_000, resolve));
      return store.write(work);
    },
    close: () => store.close(),
  };
  const ann = await fixture.clock.meanwhile(fixture.device("ann", slow));
  const connections = () => fixture.cluster.heard.filter((name) => name === "auth").length;
  await fixture.clock.until(() => connections() === 2, 600_000);
  const written = (await store.read((tables) => tables.conversation("c")))?.cursor ?? 0;
  assert.ok(written > MAX_ARRIVALS, "it first writes what it has");
  isSlow = false;
  await fixture.clock.until(async () => (await ann.replica.conversation("c"))?.cursor === last, 600_000);
  assert.deepEqual(
    ann.told.map(({ seq }) => seq),
    Array.from({ length: last }, (_, index) => index + 1),
  );
});

test("devices that reload, lose their network and meet every fault end up with the cluster's log", async () => {
  let resent = 0;
  for (let seed = 1; seed <= 15; seed += 1) {
    const fixture = new Fixture(seed);
    const { clock, cluster } = fixture;
    cluster.faults = MANY_FAULTS;
    let ann = await fixture.device("ann");
    const bob = await fixture.device("bob");
    const said: string[] = [];
    for (let n = 0; n < 40; n += 1) {
      const text = `ann ${n}`;
      said.push(text);
      await ann.replica.send("c", text);
      if (n % 4 === 0) await bob.replica.send("c", `bob ${n}`);
      await clock.pass(clock.random() * 300);
      if (clock.random() < 0.15) ann = await ann.reload();
      if (clock.random() < 0.2) ann.network.isUp = !ann.network.isUp;
    }
    ann.network.isUp = true;
    await clock.until(async () => (await ann.outbox()) + (await bob.outbox()) === 0, 600_000);
    cluster.faults = NO_FAULTS;
    for (const connection of cluster.connections) connection.close(4000);
    const log = cluster.logs.get("c")?.entries ?? [];
    for (const { replica } of [ann, bob]) {
      await clock.until(async () => (await replica.conversation("c"))?.cursor === log.length);
      const { entries } = await clock.meanwhile(replica.entries("c", { limit: 1_000 }));
      assert.deepEqual(
        entries.map(({ seq, client_id }) => [seq, client_id]),
        log.map(({ seq, client_id }) => [seq, client_id]),
      );
      replica.close();
    }
    assert.deepEqual(
      fixture.texts().filter((text) => text?.startsWith("ann")),
      said,
      `seed ${seed}: each once, in order`,
    );
    assert.deepEqual(
      bob.told.map(({ seq }) => seq),
      log.map(({ seq }) => seq),
      `seed ${seed}: told once, in order`,
    );
    resent += cluster.heard.filter((name) => name === "send").length - 50;
  }
  assert.ok(resent > 15, "the faults did happen");
});
