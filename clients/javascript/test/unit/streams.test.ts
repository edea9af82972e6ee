/** Entries pass in order, none skipped, none twice. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { ConversationState, Entry } from "../../src/index.js";
import { MAX_HELD, type Need, type Passed, Streams } from "../../src/streams.js";
import { entry as entryOf, state } from "../support/scripted.js";

const entry = (seq: number, body?: object) => entryOf("c", seq, body ? { body } : {}) as unknown as Entry;
const start = (cursor: number) => state("c", cursor) as unknown as ConversationState;
const refusal = (code: string) => ({ code, message: "" });

/** What the server says. */
type Says =
  | { start: number }
  | { entry: number }
  | { page: number[]; more: boolean }
  | { noPage: string }
  | { refused: string };

const fill = { what: "fill", conversation: "c", later: false } as const;
const fillLater = { ...fill, later: true };
const sync = { what: "sync", conversation: "c" } as const;

class Fixture {
  readonly passed: Passed[] = [];
  readonly streams: Streams;

  constructor(cursor?: number) {
    this.streams = new Streams(cursor === undefined ? {} : { c: cursor }, (passed) =>
      this.passed.push(passed),
    );
    this.streams.belongTo("me");
  }

  hear(says: Says): Need | undefined {
    if ("start" in says) return this.streams.start(start(says.start));
    if ("entry" in says) return this.streams.entry(entry(says.entry));
    if ("page" in says)
      return this.streams.page("c", { entries: says.page.map((seq) => entry(seq)), more: says.more });
    if ("noPage" in says) return this.streams.noPage("c", refusal(says.noPage));
    return this.streams.refused("c", refusal(says.refused));
  }

  seqs(): number[] {
    return this.passed.flatMap(({ type, event }) => (type === "entry" ? [event.seq] : []));
  }

  types(): string[] {
    return this.passed.map(({ type }) => type);
  }
}

test("entries pass in order without gap or double", () => {
  const check = (
    cursor: number | undefined,
    says: [Says, Need?][],
    seqs: number[],
    duplicates: number,
    gaps: number,
  ) => {
    const fixture = new Fixture(cursor);
    for (const [what, need] of says) assert.deepEqual(fixture.hear(what), need, JSON.stringify(what));
    assert.deepEqual(fixture.seqs(), seqs);
    assert.deepEqual(fixture.streams.counters, { duplicates, gaps }, String(seqs));
  };
  // No cursor: the server's start is adopted.
  check(undefined, [[{ start: 7 }], [{ entry: 8 }], [{ entry: 9 }]], [8, 9], 0, 0);
  // A lower start than ours: duplicates are dropped.
  check(5, [[{ start: 3 }], [{ entry: 4 }], [{ entry: 5 }], [{ entry: 6 }]], [6], 2, 0);
  // Doubles of the live stream.
  check(0, [[{ start: 0 }], [{ entry: 1 }], [{ entry: 1 }], [{ entry: 2 }]], [1, 2], 1, 0);
  // A hole: what follows waits, one page closes it.
  check(
    1,
    [[{ entry: 2 }], [{ entry: 5 }, fill], [{ entry: 6 }], [{ page: [3, 4, 5], more: true }], [{ entry: 7 }]],
    [2, 3, 4, 5, 6, 7],
    0,
    1,
  );
  // A start beyond our cursor is a hole too, and takes two pages.
  check(
    1,
    [
      [{ start: 6 }, fill],
      [{ entry: 7 }],
      [{ page: [2, 3], more: true }, fill],
      [{ page: [4, 5, 6], more: false }],
    ],
    [2, 3, 4, 5, 6, 7],
    0,
    1,
  );
  // A page that is overtaken by the live stream.
  check(
    1,
    [[{ entry: 3 }, fill], [{ entry: 2 }], [{ entry: 4 }], [{ page: [2, 3], more: true }]],
    [2, 3, 4],
    0,
    1,
  );
  // A page that brings nothing, and one with a hole in it, are asked for again.
  check(
    1,
    [
      [{ entry: 5 }, fill],
      [{ page: [], more: false }, fillLater],
      [{ page: [2, 4], more: false }, fill],
      [{ noPage: "unavailable" }, fillLater],
      [{ page: [3, 4, 5], more: false }],
    ],
    [2, 3, 4, 5],
    0,
    1,
  );
  // Never announced: not passed on, unless it is the very first entry.
  check(undefined, [[{ entry: 3 }, sync], [{ start: 2 }], [{ entry: 3 }]], [3], 0, 1);
  check(undefined, [[{ entry: 1 }], [{ entry: 2 }]], [1, 2], 0, 0);
  // A page that nobody asked for.
  check(1, [[{ page: [2], more: false }], [{ entry: 2 }]], [2], 0, 0);
  // A double of one that waits.
  check(0, [[{ entry: 3 }, fill], [{ entry: 3 }], [{ page: [1, 2, 3], more: false }]], [1, 2, 3], 1, 1);
});

test("what waits behind a hole is bounded, and read again", () => {
  const fixture = new Fixture(0);
  const last = 2 * MAX_HELD;
  for (let seq = 2; seq <= last; seq += 1) fixture.hear({ entry: seq });
  assert.deepEqual(fixture.hear({ page: [1], more: true }), fill, "what was let go of is read again");
  assert.deepEqual(fixture.seqs().at(-1), MAX_HELD + 1);
  const rest = Array.from({ length: last - MAX_HELD - 1 }, (_, index) => MAX_HELD + 2 + index);
  assert.equal(fixture.hear({ page: rest, more: false }), undefined);
  assert.deepEqual(
    fixture.seqs(),
    Array.from({ length: last }, (_, index) => index + 1),
  );
});

test("a removal is told once, after its entry", () => {
  const live = new Fixture(1);
  live.streams.entry(entry(2, { left: { user: "me" } }));
  assert.deepEqual(live.types(), ["entry", "removed"]);
  assert.deepEqual(live.streams.syncAll(), { cursors: {} }, "a former member does not ask for the stream");
  live.hear({ start: 2 });
  live.streams.entry(entry(3, { joined: { users: ["me"], role: "member" } }));
  assert.deepEqual(live.streams.syncAll(), { cursors: { c: 3 } }, "a member again");

  // Removed while away: the rest is read from the log.
  const away = new Fixture(1);
  assert.deepEqual(away.hear({ refused: "not_a_member" }), fill);
  const entries = [entry(2), entry(3, { left: { user: "me" } })];
  assert.equal(away.streams.page("c", { entries, more: false }), undefined);
  assert.deepEqual(away.types(), ["entry", "entry", "removed"]);

  // Not even the log may be read.
  const gone = new Fixture(1);
  assert.deepEqual(gone.hear({ refused: "unknown_conversation" }), fill);
  assert.equal(gone.hear({ noPage: "unknown_conversation" }), undefined);
  assert.deepEqual(gone.types(), ["removed"]);
});

test("bans end a membership, and what is deleted for all is told so", () => {
  const banned = new Fixture(1);
  banned.streams.entry(entry(2, { banned: { user: "me" } }));
  banned.streams.entry(entry(3, { banned: { user: "you", removed: true } }));
  assert.deepEqual(banned.types(), ["entry", "entry"]);
  banned.streams.entry(entry(4, { banned: { user: "me", removed: true } }));
  assert.deepEqual(banned.passed.at(-1), { type: "removed", event: { conversation: "c", dissolved: false } });

  const live = new Fixture(1);
  live.streams.entry(entry(2, { dissolved: {} }));
  const away = new Fixture(1);
  assert.equal(away.hear({ refused: "conversation_deleted" }), undefined);
  const filling = new Fixture(1);
  filling.hear({ entry: 5 });
  filling.hear({ noPage: "conversation_deleted" });
  for (const { passed } of [live, away, filling]) {
    assert.deepEqual(passed.at(-1), { type: "removed", event: { conversation: "c", dissolved: true } });
  }
});

test("a log that stays behind our cursor is another one", () => {
  const fixture = new Fixture(9);
  for (let time = 1; time < 5; time += 1) assert.deepEqual(fixture.hear({ refused: "cursor_ahead" }), sync);
  assert.deepEqual(fixture.types(), [], "a store that has failed over may catch up");
  assert.deepEqual(fixture.hear({ refused: "cursor_ahead" }), sync);
  assert.deepEqual(fixture.types(), ["reset"]);
  fixture.hear({ start: 3 });
  fixture.hear({ entry: 4 });
  assert.deepEqual(fixture.seqs(), [4]);
});

test("a disconnect forgets holes and keeps cursors", () => {
  const fixture = new Fixture(1);
  assert.deepEqual(fixture.hear({ entry: 4 }), fill);
  fixture.streams.disconnected();
  assert.equal(
    fixture.hear({ page: [2], more: false }),
    undefined,
    "an answer to a question of the old connection",
  );
  assert.equal(fixture.streams.cursor("c"), 1);
  fixture.hear({ start: 1 });
  fixture.hear({ entry: 2 });
  assert.deepEqual(fixture.seqs(), [2]);
});

test("a sync fits into a frame", () => {
  const check = (conversations: number, bytes: number): number => {
    const names = Array.from({ length: conversations }, (_, index) => [
      String(index).padStart(bytes, "x"),
      2 ** 53 - 1,
    ]);
    const { cursors = {} } = new Streams(Object.fromEntries(names), () => undefined).syncAll();
    assert.ok(JSON.stringify({ id: Number.MAX_SAFE_INTEGER, sync: { cursors } }).length <= 65_536);
    return Object.keys(cursors).length;
  };
  assert.equal(check(10, 36), 10);
  assert.equal(check(3_000, 36), 1_000);
  assert.ok(check(1_000, 128) > 400);
});
