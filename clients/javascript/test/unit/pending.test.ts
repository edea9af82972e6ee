/** Unanswered commands go out in order, and are given up only by a definite answer. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { DeadlineError, RefusedError } from "../../src/index.js";
import { Pending } from "../../src/pending.js";

class Fixture {
  readonly pending = new Pending(8, 100);
  readonly outcomes = new Map<number, unknown>();
  now = 0;

  send(id: number, conversation = "c", deadline?: number): void {
    const fields = { conversation, client_id: String(id), text: "x" };
    this.pending.push(id, { name: "send", fields }, this.#respond(id), deadline);
  }

  ping(id: number): void {
    this.pending.push(id, { name: "ping", fields: {} }, this.#respond(id), undefined);
  }

  /** Ids that go out now; negative where they are marked as retries. */
  sent(): number[] {
    const sent: number[] = [];
    for (;;) {
      const next = this.pending.next(this.now);
      if (!next) return sent;
      const isRetry = next.command.name === "send" && next.command.fields.retry === true;
      sent.push(isRetry ? -next.id : next.id);
    }
  }

  ok(id: number): void {
    assert.equal(this.pending.answer(id, { ok: {} }, this.now, 1), "go_on");
  }

  refuse(id: number, code: string, retry_after_ms?: number): string {
    const more = retry_after_ms === undefined ? {} : { retry_after_ms };
    return this.pending.answer(id, { error: { code, message: "", ...more } }, this.now, 1);
  }

  #respond(id: number) {
    return {
      resolve: () => void this.outcomes.set(id, "ok"),
      reject: (error: Error) => void this.outcomes.set(id, error),
    };
  }
}

test("of one log's commands one is under way at a time, of others' as many as the window holds", () => {
  const fixture = new Fixture();
  fixture.send(1);
  fixture.send(2);
  fixture.send(3, "d");
  fixture.ping(4);
  assert.deepEqual(fixture.sent(), [1, 3, 4]);
  fixture.ok(1);
  assert.deepEqual(fixture.sent(), [2]);
  for (let id = 5; id < 20; id += 1) fixture.ping(id);
  assert.deepEqual(fixture.sent(), [5, 6, 7, 8, 9]);
});

test("what a connection took with it goes out again first, marked as a retry", () => {
  const fixture = new Fixture();
  fixture.send(1);
  fixture.send(2);
  fixture.send(3, "d");
  assert.deepEqual(fixture.sent(), [1, 3]);
  fixture.pending.disconnected();
  fixture.send(4);
  assert.deepEqual(fixture.sent(), [-1, -3]);
  fixture.ok(1);
  assert.deepEqual(fixture.sent(), [2]);
  fixture.ok(2);
  assert.deepEqual(fixture.sent(), [4]);
  assert.deepEqual(fixture.pending.counters, { resends: 2, uncertain: 2, putOff: 0 });
});

test("a send that is put off keeps later ones behind it", () => {
  const fixture = new Fixture();
  fixture.send(1);
  fixture.send(2);
  fixture.send(3, "d");
  assert.deepEqual(fixture.sent(), [1, 3]);
  fixture.ok(3);
  assert.equal(fixture.refuse(1, "rate_limited", 700), "go_on");
  fixture.send(4, "e");
  fixture.ping(5);
  assert.deepEqual(fixture.sent(), [5], "the limit is the user's");
  assert.equal(fixture.pending.wakeAt(fixture.now), 700);
  fixture.now = 700;
  assert.deepEqual(fixture.sent(), [1, 4], "not a retry: it was not taken");
  fixture.refuse(1, "unavailable");
  assert.deepEqual(fixture.sent(), []);
  fixture.now += 500;
  assert.deepEqual(fixture.sent(), [1]);
  fixture.ok(1);
  assert.deepEqual(fixture.sent(), [2]);
});

test("an unknown outcome stops the connection; refusals settle", () => {
  const fixture = new Fixture();
  fixture.send(1);
  fixture.send(2, "d");
  assert.deepEqual(fixture.sent(), [1, 2]);
  assert.equal(fixture.refuse(1, "unknown"), "connect_anew");
  assert.equal(fixture.refuse(2, "not_a_member"), "go_on");
  assert.ok(fixture.outcomes.get(2) instanceof RefusedError);
  fixture.pending.disconnected();
  assert.deepEqual(fixture.sent(), [-1]);
  assert.equal(fixture.refuse(1, "unauthenticated"), "connect_anew");
  assert.equal(fixture.outcomes.has(1), false);
  fixture.pending.fail(new Error("closed"));
  assert.equal((fixture.outcomes.get(1) as Error).message, "closed");
});

test("a deadline says whether it was ever sent, and frees the log", () => {
  const fixture = new Fixture();
  fixture.send(1, "c", 1000);
  fixture.send(2, "c", 1000);
  fixture.send(3);
  assert.deepEqual(fixture.sent(), [1]);
  assert.equal(fixture.pending.wakeAt(0), 1000);
  fixture.now = 1000;
  fixture.pending.expire(fixture.now);
  assert.equal((fixture.outcomes.get(1) as DeadlineError).sent, true);
  assert.equal((fixture.outcomes.get(2) as DeadlineError).sent, false);
  assert.deepEqual(fixture.sent(), [3]);
  fixture.ok(1);
  fixture.ok(3);
  assert.equal(fixture.outcomes.get(3), "ok");
});
