/** Clients on a cluster with every fault that there is: nothing is lost, nothing doubled, all is in order. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, type Entry } from "../../src/index.js";
import { VirtualClock } from "../support/clock.js";
import { FakeCluster, MANY_FAULTS, NO_FAULTS } from "../support/cluster.js";
import { linesTo } from "../support/lines.js";

const SEEDS = 30;
const USERS = ["ann", "bob", "eve"];
const MESSAGES = 25;

async function run(seed: number): Promise<{ resends: number; gaps: number; duplicates: number }> {
  const clock = new VirtualClock(seed);
  const cluster = new FakeCluster(() => clock.random());
  cluster.create("c", USERS);
  cluster.faults = MANY_FAULTS;
  const WebSocket = linesTo(cluster, clock);
  const clients = USERS.map((user) => {
    const client = new Client({
      url: ["ws://node1/ws", "ws://node2/ws"],
      token: user,
      cursors: { c: 0 },
      WebSocket,
      clock,
    });
    const applied: Entry[] = [];
    client.on("entry", (entry) => applied.push(entry));
    return { user, client: client.start(), applied };
  });

  const acknowledged = new Map<string, number>();
  let open = 0;
  for (const { user, client } of clients) {
    for (let n = 0; n < MESSAGES; n += 1) {
      const client_id = `${user}/${n}`;
      open += 1;
      void client.send("c", client_id, { client_id }).then(({ seq }) => {
        acknowledged.set(client_id, seq);
        open -= 1;
      });
      if (clock.random() < 0.3) await clock.pass(clock.random() * 200);
      if (clock.random() < 0.05) client.reconnect();
    }
  }
  await clock.until(() => open === 0, 600_000);
  cluster.faults = NO_FAULTS;
  const { entries } = cluster.logs.get("c") ?? assert.fail();
  // A live entry that was skipped shows with the next one, or with the next sync.
  for (const { client } of clients) client.reconnect();
  await clock.until(() => clients.every(({ applied }) => applied.length === entries.length));

  for (const { applied } of clients) {
    assert.deepEqual(
      applied.map(({ seq }) => seq),
      entries.map(({ seq }) => seq),
      "gap-free, in order, once",
    );
    assert.deepEqual(
      applied.map(({ client_id }) => client_id),
      entries.map(({ client_id }) => client_id),
    );
  }
  for (const user of USERS) {
    const mine = entries
      .filter(({ sender, body }) => sender === user && body.message)
      .map(({ client_id }) => client_id);
    assert.deepEqual(
      mine,
      Array.from({ length: MESSAGES }, (_, n) => `${user}/${n}`),
      "each once, as they were said",
    );
  }
  for (const [client_id, seq] of acknowledged) assert.equal(entries[seq - 1]?.client_id, client_id);
  const total = { resends: 0, gaps: 0, duplicates: 0 };
  for (const { client } of clients) {
    total.resends += client.stats.resends;
    total.gaps += client.stats.gaps;
    total.duplicates += client.stats.duplicates;
    client.close();
  }
  return total;
}

test(`${SEEDS} seeds of faults`, async () => {
  const total = { resends: 0, gaps: 0, duplicates: 0 };
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { resends, gaps, duplicates } = await run(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    });
    total.resends += resends;
    total.gaps += gaps;
    total.duplicates += duplicates;
  }
  // The faults did happen.
  assert.ok(total.resends > SEEDS && total.gaps > SEEDS && total.duplicates > SEEDS, JSON.stringify(total));
});
