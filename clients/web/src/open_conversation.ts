/** The conversation that is shown: its log, its members, and how far each of them has read. */

import { computed, signal } from "@preact/signals";
import { altered, type Entry, type OutboxItem, type Receipt, type Role, type Seq } from "starling-client";

import type { Chat } from "./chat.js";
import { Timeline } from "./timeline.js";
import { OwnTyping } from "./typing.js";

/** How far a message of this user's has come. */
export type Progress = "kept" | "sent" | "delivered" | "read";

export interface Member {
  user: string;
  role: Role;
  delivered: Seq;
  read: Seq;
}

/** Members whose marks are asked for. */
const MOST_MEMBERS = 1_000;
const PAGE = 200;
/** Members of whom it is asked whether they are there. */
const PRESENCES = 100;

export class OpenConversation {
  readonly timeline: Timeline;
  readonly ownTyping: OwnTyping;
  readonly members = signal<ReadonlyMap<string, Member>>(new Map());
  /** What was unread when it was opened begins after this entry. */
  readonly unreadAfter: Seq | undefined;
  readonly #ends: (() => void)[] = [];
  #asked = 0;
  /** Whether `members` are all of them: of a crowd only some are asked for, and these speak for themselves alone. */
  #isComplete = false;

  readonly outbox = computed(() =>
    this.chat.outbox.value.filter(({ conversation }) => conversation === this.id),
  );
  /** What this user has said and is not in the log yet. */
  readonly unsent = computed(() => this.outbox.value.filter(({ command }) => command.name === "send"));

  /** Up to where all others have it, and have read it: as the store knows, and as was heard since. */
  readonly #lowest = computed(() => {
    const record = this.chat.records.value.get(this.id);
    const { me } = this.chat;
    const members = [...this.members.value.values()];
    const others = this.#isComplete ? members.filter(({ user }) => user !== me) : [];
    const lowest = (mark: "delivered" | "read") =>
      others.length === 0 ? 0 : Math.min(...others.map((member) => member[mark]));
    return {
      delivered: Math.max(record?.deliveredToAll ?? 0, lowest("delivered")),
      read: Math.max(record?.readByAll ?? 0, lowest("read")),
    };
  });

  constructor(
    readonly chat: Chat,
    readonly id: string,
  ) {
    const { replica, askNow } = chat;
    this.timeline = new Timeline(id, replica, askNow);
    this.ownTyping = new OwnTyping(replica, id);
    const record = chat.records.peek().get(id);
    this.unreadAfter = record && record.unread > 0 ? record.read : undefined;
    this.#ends.push(
      replica.on("receipts", ({ conversation, members }) => {
        if (conversation === id) this.#marked(members);
      }),
      replica.on("entries", ({ conversation, entries }) => {
        if (conversation === id && entries.some(({ seq, membership }) => seq === membership))
          void this.#askMembers();
      }),
      replica.on("status", ({ phase }) => {
        if (phase === "live") void this.#askMembers();
      }),
    );
  }

  /** Shows what is new, or the entry at `at`. Says whether that could be read. */
  async open(at: Seq | undefined): Promise<boolean> {
    void this.#askMembers();
    await this.timeline.open(this.unreadAfter === undefined ? undefined : this.unreadAfter + 1);
    return at === undefined || this.timeline.goTo(at);
  }

  close(): void {
    for (const end of this.#ends) end();
    this.ownTyping.stop();
    this.timeline.close();
  }

  /** How far a message of this user's has come, with all others. */
  progress(seq: Seq): Progress {
    const { delivered, read } = this.#lowest.value;
    if (seq <= read) return "read";
    return seq <= delivered ? "delivered" : "sent";
  }

  /** A message with what is on its way to alter it. */
  asItWillBe(message: Entry): Entry {
    let now = message;
    for (const { command, failed, at } of this.outbox.value) {
      if (failed || command.name === "send" || command.fields.seq !== message.seq) continue;
      now = altered(now, alteration(now, command, this.chat.me, at));
    }
    return now;
  }

  /** What was refused of this user's changes of a message. */
  refusals(seq: Seq): OutboxItem[] {
    return this.outbox.value.filter(
      ({ command, failed }) => failed && command.name !== "send" && command.fields.seq === seq,
    );
  }

  /** Asks for all members anew: their roles, and their marks, which are not replayed. */
  async #askMembers(): Promise<void> {
    const turn = ++this.#asked;
    const found: Receipt[] = [];
    let after: string | undefined;
    try {
      do {
        const where = { conversation: this.id, limit: PAGE, ...(after === undefined ? {} : { after }) };
        const page = await this.chat.askNow.ask("receipts", where);
        found.push(...page.members);
        after = page.next;
      } while (after !== undefined && found.length < MOST_MEMBERS);
    } catch {
      return;
    }
    if (turn !== this.#asked) return;
    this.chat.askPresences(found.slice(0, PRESENCES).map(({ user }) => user)).catch(() => undefined);
    this.#isComplete = after === undefined;
    this.members.value = new Map(
      found.map(({ user, role = "member", delivered, read }) => [user, { user, role, delivered, read }]),
    );
  }

  #marked(receipts: readonly Receipt[]): void {
    const members = new Map(this.members.value);
    for (const { user, delivered, read } of receipts) {
      const before = members.get(user);
      if (!before) continue;
      members.set(user, {
        ...before,
        delivered: Math.max(before.delivered, delivered),
        read: Math.max(before.read, read),
      });
    }
    this.members.value = members;
  }
}

/** The entry that the command will be, as if it came right after what is known. */
function alteration(
  message: Entry,
  command: Exclude<OutboxItem["command"], { name: "send" }>,
  me: string,
  at: number,
): Entry {
  const target = message.seq;
  const seq = (message.state?.changed ?? message.seq) + 1;
  const entry = { ...message, seq, sender: me, at };
  switch (command.name) {
    case "edit":
      return { ...entry, body: { edited: { target, text: command.fields.text } } };
    case "delete":
      return { ...entry, body: { deleted: { target } } };
    case "react": {
      const { emoji, removed = false } = command.fields;
      return { ...entry, body: { reacted: { target, emoji, removed } } };
    }
  }
}
