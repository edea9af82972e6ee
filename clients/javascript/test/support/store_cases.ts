/** What every store does, and what `local_log` makes of any: run in Node on one, in a browser on the other. */

import type { ConversationRecord, ConversationState, Entry, Store, Tables } from "../../src/index.js";
import {
  applyEntry,
  applyHidden,
  applyReceipts,
  applyReset,
  applyState,
  type Changes,
  markRead,
  noChanges,
  prepend,
  settle,
} from "../../src/local_log.js";

export interface StoreCase {
  name: string;
  run(store: Store): Promise<void>;
}

function equal(actual: unknown, expected: unknown, what = ""): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}: ${left} is not ${right}`);
}

function record(id: string, more: Partial<ConversationRecord> = {}): ConversationRecord {
  const marks = {
    head: 0,
    read: 0,
    deliveredToAll: 0,
    readByAll: 0,
    unread: 0,
    messages: 0,
    messagesRead: 0,
  };
  return {
    id,
    kind: "group",
    open: false,
    hidden: false,
    role: "member",
    member: true,
    first: 1,
    cursor: 0,
    ...marks,
    ...more,
  };
}

function entry(
  conversation: string,
  seq: number,
  body: object = { message: { text: `text ${seq}` } },
  more = {},
): Entry {
  const marks = { lamport: seq, at: 1000 + seq, messages: seq, membership: 1 };
  return { conversation, seq, sender: "bob", client_id: `${conversation}/${seq}`, ...marks, body, ...more };
}

function state(id: string, cursor: number, more: object = {}): ConversationState {
  const marks = { head: cursor, delivered: 0, read: 0, unread: 0 };
  return { cursor, conversation: { id, kind: "group", role: "member", ...marks, ...more } };
}

/** Applies in one transaction each, as another tab might in between. */
async function apply(store: Store, ...entries: Entry[]): Promise<Changes> {
  const changes = noChanges();
  for (const each of entries) await store.write((tables) => applyEntry(tables, each, "me", changes));
  return changes;
}

const everything = { from: 0, to: 1e6, limit: 1e6, nearest: "from" } as const;
const seqs = (entries: Entry[]) => entries.map(({ seq }) => seq);

const send = (client_id: string) => ({
  client_id,
  conversation: "c",
  command: { name: "send", fields: { conversation: "c", client_id, text: client_id } } as const,
  at: 1,
});

export const STORE_CASES: StoreCase[] = [
  {
    name: "a transaction happens whole or not at all",
    async run(store) {
      await store.write((tables) => tables.putConversation(record("c", { cursor: 1 })));
      const failed = store.write(async (tables) => {
        await tables.putConversation(record("c", { cursor: 2 }));
        await tables.putConversation(record("d"));
        await tables.putEntry(entry("c", 2));
        await tables.addToOutbox(send("x"));
        await tables.putFact("user", "ann");
        throw new Error("no");
      });
      equal(await failed.catch((error: Error) => error.message), "no");
      await store.read(async (tables) => {
        equal(
          (await tables.conversations()).map(({ id, cursor }) => [id, cursor]),
          [["c", 1]],
        );
        equal(await tables.entries("c", everything), []);
        equal(await tables.outbox(), []);
        equal(await tables.fact("user"), undefined);
      });
    },
  },
  {
    name: "transactions that write happen one after the other",
    async run(store) {
      await store.write((tables) => tables.putConversation(record("c")));
      const increment = async (tables: Tables) => {
        const before = (await tables.conversation("c")) as ConversationRecord;
        await tables.putConversation({ ...before, cursor: before.cursor + 1 });
      };
      await Promise.all(Array.from({ length: 20 }, () => store.write(increment)));
      equal((await store.read((tables) => tables.conversation("c")))?.cursor, 20);
    },
  },
  {
    name: "entries are found by range, from either end",
    async run(store) {
      await store.write(async (tables) => {
        for (const seq of [10, 2, 3, 1, 5, 4]) await tables.putEntry(entry("c", seq));
        await tables.putEntry(entry("d", 3));
      });
      const find = (from: number, to: number, limit: number, nearest: "from" | "to") =>
        store.read(async (tables) => seqs(await tables.entries("c", { from, to, limit, nearest })));
      equal(await find(1, 5, 10, "from"), [1, 2, 3, 4, 5]);
      equal(await find(1, 5, 2, "from"), [1, 2]);
      equal(await find(1, 5, 2, "to"), [4, 5]);
      equal(await find(1, 7, 3, "to"), [3, 4, 5], "the range may end beyond them");
      equal(await find(9, Infinity, 3, "to"), [10]);
      equal(await find(5, 4, 3, "to"), []);
      equal(await find(20, 30, 3, "to"), []);
      equal((await store.read((tables) => tables.entry("c", 3)))?.body.message?.text, "text 3");
      equal(await store.read((tables) => tables.entry("c", 6)), undefined);
    },
  },
  {
    name: "alterations are found by what they alter",
    async run(store) {
      await store.write(async (tables) => {
        await tables.putEntry(entry("c", 9, { deleted: { target: 1 } }));
        await tables.putEntry(entry("c", 3, { edited: { target: 1, text: "x" } }));
        await tables.putEntry(entry("c", 4, { reacted: { target: 2, emoji: "+" } }));
        await tables.putEntry(entry("d", 5, { edited: { target: 1, text: "x" } }));
        await tables.putEntry(entry("c", 1));
      });
      equal(await store.read(async (tables) => seqs(await tables.alterations("c", 1))), [3, 9]);
      equal(await store.read(async (tables) => seqs(await tables.alterations("c", 2))), [4]);
    },
  },
  {
    name: "the outbox keeps its order, and each item once",
    async run(store) {
      for (const id of ["b", "a", "c"]) await store.write((tables) => tables.addToOutbox(send(id)));
      const twice = store.write((tables) => tables.addToOutbox(send("a")));
      equal(
        await twice.then(
          () => "taken",
          () => "refused",
        ),
        "refused",
      );
      const items = () => store.read((tables) => tables.outbox());
      equal(
        (await items()).map(({ client_id }) => client_id),
        ["b", "a", "c"],
      );
      await store.write(async (tables) => {
        const item = await tables.outboxItem("a");
        if (item) await tables.putOutboxItem({ ...item, failed: { code: "forbidden", message: "" } });
        await tables.deleteOutboxItem("b");
        await tables.deleteOutboxItem("nobody's");
      });
      await store.write((tables) => tables.addToOutbox(send("d")));
      equal(
        (await items()).map(({ client_id, failed }) => [client_id, failed?.code]),
        [
          ["a", "forbidden"],
          ["c", null],
          ["d", null],
        ],
      );
    },
  },
  {
    name: "a conversation goes with its entries, and no others",
    async run(store) {
      await store.write(async (tables) => {
        for (const id of ["c", "c2", "b"]) {
          await tables.putConversation(record(id));
          await tables.putEntry(entry(id, 1));
        }
        await tables.deleteConversation("c");
      });
      await store.read(async (tables) => {
        equal((await tables.conversations()).map(({ id }) => id).sort(), ["b", "c2"]);
        equal(seqs(await tables.entries("c", everything)), []);
        equal(seqs(await tables.entries("c2", everything)), [1]);
        equal(seqs(await tables.entries("b", everything)), [1]);
      });
    },
  },
  {
    name: "what was given out is a copy",
    async run(store) {
      const mine = record("c", { name: "before" });
      await store.write((tables) => tables.putConversation(mine));
      mine.name = "after";
      const theirs = await store.read((tables) => tables.conversation("c"));
      equal(theirs?.name, "before");
      if (theirs) theirs.name = "after";
      equal((await store.read((tables) => tables.conversation("c")))?.name, "before");
    },
  },
  {
    name: "two tabs that apply the same entries double and skip nothing",
    async run(store) {
      await store.write((tables) => applyState(tables, state("c", 0), noChanges()));
      const all = Array.from({ length: 30 }, (_, index) => entry("c", index + 1));
      await Promise.all([apply(store, ...all), apply(store, ...all)]);
      await apply(store, entry("c", 32));
      await store.read(async (tables) => {
        equal(seqs(await tables.entries("c", everything)), seqs(all));
        const { cursor, unread, messages } = (await tables.conversation("c")) as ConversationRecord;
        equal([cursor, unread, messages], [30, 30, 30]);
      });
    },
  },
  {
    name: "unread counts are those of the server, and of what came since",
    async run(store) {
      const read = () => store.read(async (tables) => (await tables.conversation("c"))?.unread);
      const last = entry("c", 10);
      await store.write((tables) =>
        applyState(tables, state("c", 8, { head: 10, read: 7, unread: 3, last }), noChanges()),
      );
      equal(await read(), 3);
      await apply(store, entry("c", 9), entry("c", 10));
      equal(await read(), 3, "counted once");
      await apply(store, entry("c", 11));
      equal(await read(), 4);
      await store.write((tables) => markRead(tables, "c", 9, noChanges()));
      equal(await read(), 2);
      await store.write((tables) => markRead(tables, "c", 8, noChanges()));
      equal(await read(), 2, "never back");
      await store.write((tables) =>
        applyState(
          tables,
          state("c", 11, { head: 11, read: 8, unread: 3, last: entry("c", 11) }),
          noChanges(),
        ),
      );
      equal(await read(), 2, "the server has not heard yet");
      await apply(store, entry("c", 12, { message: { text: "mine" } }, { sender: "me" }));
      equal(await read(), 0);
      await apply(store, entry("c", 13, { joined: { users: ["x"], role: "member" } }, { messages: 12 }));
      equal(await read(), 0, "no message");
    },
  },
  {
    name: "what was said leaves the outbox with its entry",
    async run(store) {
      await store.write((tables) => applyState(tables, state("c", 0), noChanges()));
      for (const id of ["x", "y", "z"]) await store.write((tables) => tables.addToOutbox(send(id)));
      const left = () =>
        store.read(async (tables) => (await tables.outbox()).map(({ client_id }) => client_id));
      const mine = (seq: number, client_id: string) =>
        entry("c", seq, undefined, { sender: "me", client_id });
      const changes = await apply(store, mine(1, "x"), entry("c", 2, undefined, { client_id: "y" }));
      equal([await left(), changes.outbox], [["y", "z"], true], "another's client id is another's");
      const done = (id: string, seq: number) => store.write((tables) => settle(tables, id, seq, noChanges()));
      equal(await done("y", 3), false, "answered before its entry has come");
      equal(await left(), ["y", "z"]);
      await apply(store, mine(3, "y"));
      equal(await left(), ["z"]);
      equal(await done("z", 3), true, "nothing was appended: it is as it should be already");
      equal(await left(), []);
    },
  },
  {
    name: "older pages join what is there, with what became of their messages since",
    async run(store) {
      await store.write((tables) => applyState(tables, state("c", 5), noChanges()));
      await apply(
        store,
        entry("c", 6, { edited: { target: 2, text: "new" } }),
        entry("c", 7, { reacted: { target: 4, emoji: "+" } }),
      );
      const page = [
        entry("c", 2),
        entry("c", 3, { edited: { target: 1, text: "secret" } }),
        // The page was read after the reaction.
        entry("c", 4, undefined, { state: { changed: 7, reactions: { "+": ["bob"] } } }),
        entry("c", 5),
      ];
      const put = (entries: Entry[]) => store.write((tables) => prepend(tables, "c", entries, noChanges()));
      await put([entry("c", 1), entry("c", 2)]);
      equal((await store.read((tables) => tables.conversation("c")))?.first, 6, "not next to what is there");
      await put(page);
      await store.read(async (tables) => {
        equal((await tables.conversation("c"))?.first, 2);
        equal((await tables.entry("c", 2))?.state, { changed: 6, text: "new", edited_at: 1006 });
        equal((await tables.entry("c", 4))?.state?.reactions, { "+": ["bob"] });
      });
      await put([entry("c", 1)]);
      const changes = await apply(store, entry("c", 8, { deleted: { target: 1 } }));
      equal([...(changes.messages.get("c") ?? [])], [1]);
      await store.read(async (tables) => {
        equal((await tables.entry("c", 1))?.body, { message: { text: "" } });
        equal(
          JSON.stringify(await tables.entries("c", everything)).includes("secret"),
          false,
          "nor in the edit",
        );
      });
    },
  },
  {
    name: "marks of all, and this user's from another device, only go forward",
    async run(store) {
      await store.write((tables) => applyState(tables, state("c", 0), noChanges()));
      await apply(store, entry("c", 1), entry("c", 2), entry("c", 3));
      const hear = (delivered: number, read: number, mine: number) => {
        const members = [{ user: "me", delivered: 3, read: mine }];
        const change = { conversation: "c", delivered, read, members };
        return store.write((tables) => applyReceipts(tables, change, "me", noChanges()));
      };
      await hear(3, 1, 2);
      await hear(2, 0, 1);
      await store.read(async (tables) => {
        const { deliveredToAll, readByAll, read, unread } = (await tables.conversation(
          "c",
        )) as ConversationRecord;
        equal([deliveredToAll, readByAll, read, unread], [3, 1, 2, 1]);
      });
    },
  },
  {
    name: "roles, names and what is hidden are those of the log",
    async run(store) {
      const summary = { name: "Crew", description: "x", hidden: true };
      await store.write((tables) => applyState(tables, state("c", 0, summary), noChanges()));
      const now = async () => {
        const found = (await store.read((tables) => tables.conversation("c"))) as ConversationRecord;
        const { name, description, open, role, hidden, member } = found;
        return [name, description, open, role, hidden, member];
      };
      equal(await now(), ["Crew", "x", false, "member", true, true]);
      await apply(store, entry("c", 1, { role_changed: { user: "me", role: "admin" } }), entry("c", 2));
      equal(await now(), ["Crew", "x", false, "admin", false, true]);
      await apply(store, entry("c", 3, { updated: { name: "Band", open: true } }));
      equal(await now(), ["Band", null, true, "admin", false, true]);
      await apply(store, entry("c", 4, { banned: { user: "me", removed: true } }));
      equal((await now())[5], false);
    },
  },
  {
    name: "what another device hides is hidden until something new is said",
    async run(store) {
      await store.write((tables) => applyState(tables, state("c", 0), noChanges()));
      await apply(store, entry("c", 1));
      const hidden = async () => (await store.read((tables) => tables.conversation("c")))?.hidden;
      const changes = noChanges();
      const hide = (messages: number) =>
        store.write((tables) => applyHidden(tables, { conversation: "c", messages }, changes));
      await hide(2);
      equal([await hidden(), [...changes.conversations]], [true, ["c"]]);
      await apply(store, entry("c", 2));
      equal(await hidden(), true, "it was said before");
      await apply(store, entry("c", 3, { reacted: { target: 2, emoji: "+1" } }, { messages: 2 }));
      equal(await hidden(), true, "a reaction says nothing");
      await apply(store, entry("c", 4, undefined, { messages: 3 }));
      equal(await hidden(), false);
      await hide(2);
      equal(await hidden(), false, "told late");
    },
  },
  {
    name: "a conversation of another log goes",
    async run(store) {
      await store.write((tables) => applyState(tables, state("c", 0), noChanges()));
      await apply(store, entry("c", 1));
      await store.write((tables) => applyReset(tables, "c", noChanges()));
      await store.read(async (tables) => {
        equal(await tables.conversations(), []);
        equal(await tables.entries("c", everything), []);
      });
    },
  },
];
