/** The pure parts: pauses, close codes, marks, frames, messages. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff, type Pause, retryDelay } from "../../src/backoff.js";
import { reconnectAfter } from "../../src/closing.js";
import { decode } from "../../src/frame.js";
import { altered, type Entry, textOf } from "../../src/index.js";
import { Marks } from "../../src/marks.js";
import { TokenSource } from "../../src/token.js";
import { entry } from "../support/scripted.js";

test("pauses grow to their bound and start anew after a success", () => {
  const check = (addresses: number, pauses: [Pause, number][]) => {
    const backoff = new Backoff(addresses);
    for (const [pause, expected] of pauses) assert.equal(backoff.delay(pause, 1), expected);
    backoff.succeeded();
    assert.equal(backoff.delay("now", 1), 100);
  };
  check(1, [
    ["now", 100],
    ["now", 500],
    ["now", 1000],
    ["now", 2000],
    ["now", 3000],
    ["now", 3000],
  ]);
  check(1, [
    ["soon", 250],
    ["soon", 500],
    ["soon", 1000],
    ["soon", 2000],
    ["soon", 3000],
  ]);
  check(3, [
    ["soon", 100],
    ["soon", 100],
    ["soon", 250],
    ["soon", 500],
  ]);
  check(3, [
    ["now", 100],
    ["now", 100],
    ["now", 100],
    ["now", 500],
  ]);
  check(3, [
    ["later", 500],
    ["later", 1000],
    ["later", 2000],
    ["later", 4000],
    ["later", 8000],
    ["later", 10000],
  ]);
});

test("chance spreads a pause from half of it", () => {
  for (const [chance, expected] of [
    [0, 250],
    [0.5, 375],
    [1, 500],
  ] as const) {
    assert.equal(new Backoff(1).delay("later", chance), expected);
  }
  assert.equal(new Backoff(1).delay("now", 0), 0);
  assert.equal(retryDelay(40, 1), 2000);
});

test("close codes of the network say when to connect again", () => {
  const check = (expected: string, codes: number[]) => {
    for (const code of codes) assert.equal(reconnectAfter(code), expected, String(code));
  };
  check("now", [1000, 1001, 1005, 1006, 1012, 4000, 4003, 4099]);
  check("later", [1011, 1013, 1014, 3000, 4100, 4101, 4199, 4300]);
  check("never", [1002, 1003, 1007, 1008, 1009, 1010, 4200, 4204, 4299]);
});

test("marks are coalesced, and none is lost or goes back", () => {
  const marks = new Marks();
  const set = (conversation: string, seq: number) => marks.set({ name: "delivered", conversation, seq });
  const collect = (now: number) =>
    marks.collect(now).map(({ conversation, seq }) => `${conversation} ${seq}`);
  assert.deepEqual(collect(0), []);
  set("c", 1);
  set("c", 2);
  set("d", 7);
  assert.deepEqual(collect(0), ["c 2", "d 7"]);
  set("c", 4);
  set("c", 3);
  assert.deepEqual(collect(999), [], "one a second");
  assert.deepEqual(collect(1000), ["c 4"]);
  set("c", 4);
  assert.equal(marks.wakeAt(), Infinity, "nothing new");

  const sent = { name: "delivered", conversation: "c", seq: 4 } as const;
  marks.sent(1, sent);
  marks.disconnected();
  assert.deepEqual(collect(2000), ["c 4"], "lost with the connection");
  marks.sent(2, sent);
  assert.equal(marks.answered(2, { code: "unavailable", message: "" }), true);
  assert.equal(marks.answered(2, undefined), false);
  assert.deepEqual(collect(3000), ["c 4"], "put off");
  marks.sent(3, sent);
  marks.answered(3, { code: "cursor_ahead", message: "" });
  assert.deepEqual(collect(9000), []);
  set("c", 2);
  assert.deepEqual(collect(9000), ["c 2"], "a lower one may be right where the higher was refused");
});

test("what later versions say is told from garbage", () => {
  const check = (text: string, expected: string) => assert.equal(decode(text).is, expected, text);
  check('{"poll":{"question":"?"}}', "unknown");
  check('{"toString":{}}', "unknown");
  check("{}", "unknown");
  check(JSON.stringify({ entry: entry("c", 1, { body: { poll: {} }, colour: "red" }) }), "event");
  check(JSON.stringify({ trace: "x", entry: entry("c", 1) }), "event");
  check('{"id":7,"ok":{"new_reply":{}}}', "reply");
  check('{"id":7,"error":{"code":"new_code","message":""}}', "refusal");
  check('{"entry":{"conversation":"c","seq":"1","body":{}}}', "malformed");
  check('{"entry":null}', "malformed");
  check('{"id":7}', "malformed");
  check('{"id":-1,"ok":{}}', "malformed");
  check("[]", "malformed");
  check("nonsense", "malformed");
  assert.equal(decode(new ArrayBuffer(1)).is, "malformed");
});

test("messages are what the entries after them make of them", () => {
  const say = (seq: number, sender: string, body: object) =>
    entry("c", seq, { sender, body }) as unknown as Entry;
  const message = say(1, "ann", { message: { text: "helo" } });
  const fold = (...entries: Entry[]) => entries.reduce(altered, message);

  const edited = say(2, "ann", { edited: { target: 1, text: "hello" } });
  assert.equal(textOf(fold(edited)), "hello");
  assert.equal(fold(edited).state?.edited_at, edited.at);

  const liked = say(3, "bob", { reacted: { target: 1, emoji: "__proto__" } });
  const likedToo = say(4, "ann", { reacted: { target: 1, emoji: "__proto__" } });
  const unliked = say(5, "bob", { reacted: { target: 1, emoji: "__proto__", removed: true } });
  assert.deepEqual(Object.entries(fold(liked, likedToo).state?.reactions ?? {}), [
    ["__proto__", ["ann", "bob"]],
  ]);
  assert.deepEqual(Object.entries(fold(liked, liked, unliked).state?.reactions ?? {}), []);

  const deleted = say(6, "eve", { deleted: { target: 1 } });
  const gone = fold(edited, deleted);
  assert.equal(textOf(gone), undefined);
  assert.equal(gone.body.message?.text, "");
  assert.equal(gone.state?.deleted_by, "eve");
  assert.ok(!JSON.stringify(gone).includes("hel"), "the text is kept nowhere");
  const late = say(7, "ann", { edited: { target: 1, text: "after all" } });
  assert.equal(textOf(fold(deleted, late)), undefined);

  const known = { ...message, state: { changed: 2, text: "hello" } };
  assert.equal(altered(known, edited), known, "what is taken into account already");
});

test("a token that was refused is not tried again", async () => {
  const only = new TokenSource("t");
  assert.deepEqual(await only.choose(), { token: "t" });
  assert.equal(only.refused(), false);

  const given = ["a", "a", "b"];
  const source = new TokenSource(async () => {
    const token = given.shift();
    if (token === undefined) throw new Error("offline");
    return token;
  });
  assert.deepEqual(await source.choose(), { token: "a" });
  assert.equal(source.refused(), true);
  assert.equal(await source.choose(), "exhausted");
  assert.deepEqual(await source.choose(), { token: "b" });
  source.refused();
  assert.equal(await source.choose(), "failed");
});
