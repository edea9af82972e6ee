/**
 * The part of a conversation's log that is shown: a window that slides over it, from its newest entry to its first, at the
 * same price everywhere.
 *
 * Constraints: the entries of the window are contiguous, and bounded in number. What the replica has comes from there;
 * a window further back (after a jump to a date, say) is read from the server and kept only here.
 */

import { signal } from "@preact/signals";
import { altered, type Entry, type Replica, type Seq, targetOf } from "starling-client";

import type { AskNow } from "./ask_now.js";

/** Entries of one step. */
const PAGE = 60;
/** Entries of a window that somebody scrolls through. */
const WINDOW = 300;
/** Entries of a window that grows at its end while somebody reads further up. */
const MOST = 600;

export interface Shown {
  entries: readonly Entry[];
  /** There are older ones before the window. */
  older: boolean;
  /** There are newer ones after it: it does not follow what is said. */
  newer: boolean;
}

/** Where the list shall scroll to. */
export interface Target {
  /** The row of this entry, or the first one after it. `end`: behind all of them. */
  seq: Seq | "end";
  /** Draws attention to the row. */
  flash: boolean;
}

type Direction = "older" | "newer";

export class Timeline {
  readonly #replica: Replica;
  readonly #askNow: AskNow;
  readonly #ends: (() => void)[];
  /** Steps follow one another, so that the window stays contiguous. */
  #last: Promise<void> = Promise.resolve();
  /** Set by the list: somebody looks at the end, which may grow without bound. */
  isFollowed = true;

  /** Nothing until the first page is there. */
  readonly shown = signal<Shown | undefined>(undefined);
  readonly loading = signal<Direction | undefined>(undefined);
  readonly target = signal<Target | undefined>(undefined);

  constructor(
    readonly id: string,
    replica: Replica,
    askNow: AskNow,
  ) {
    this.#replica = replica;
    this.#askNow = askNow;
    this.#ends = [
      replica.on("entries", ({ conversation, entries }) => {
        if (conversation === id) this.#step(async () => this.#grow(entries));
      }),
      replica.on("messages", ({ conversation, messages }) => {
        if (conversation === id) this.#replace(new Map(messages.map((message) => [message.seq, message])));
      }),
      replica.on("reset", ({ conversation }) => {
        if (conversation === id) this.shown.value = { entries: [], older: false, newer: false };
      }),
    ];
  }

  /** Shows the newest entries, or, where more is unread than a page holds, those around the first unread one. */
  async open(unreadFrom: Seq | undefined): Promise<void> {
    await this.#step(async () => {
      const { entries, more } = await this.#replica.entries(this.id, { limit: PAGE, only: "stored" });
      if (entries.length > 0) this.#show({ entries, older: more, newer: false });
    });
    const first = this.shown.value?.entries[0]?.seq ?? Infinity;
    if (unreadFrom !== undefined && unreadFrom < first && (await this.goTo(unreadFrom, false))) return;
    if (this.shown.value) {
      this.target.value = { seq: unreadFrom ?? "end", flash: false };
    } else {
      await this.goToEnd();
    }
  }

  /** Shows the newest entries. */
  async goToEnd(): Promise<void> {
    await this.#step(async () => {
      if (this.shown.value && !this.shown.value.newer) return;
      const { entries, more } = await this.#replica.entries(this.id, { limit: PAGE });
      this.#show({ entries: [...entries], older: more, newer: false });
    });
    this.target.value = { seq: "end", flash: false };
  }

  /** Shows the entry, and what is around it. Says whether it could be read. */
  async goTo(seq: Seq, flash = true): Promise<boolean> {
    let found = true;
    await this.#step(async () => {
      const { entries = [] } = this.shown.value ?? {};
      const isThere = (entries[0]?.seq ?? Infinity) <= seq && seq <= (entries.at(-1)?.seq ?? 0);
      if (isThere) return;
      const around = await this.#around(seq);
      if (around) this.#show(around);
      else found = false;
    });
    if (found) this.target.value = { seq, flash };
    return found;
  }

  /** Shows the first entry of this time or later. Says whether it could be read. */
  async goToTime(time: number): Promise<boolean> {
    const record = await this.#replica.conversation(this.id);
    if (!record) return false;
    // What cannot be asked for now is not searched.
    let low = this.#askNow.isPossible() ? 1 : record.first;
    let high = record.cursor;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const entry = await this.entry(middle);
      if (!entry) return false;
      if (entry.at < time) low = middle + 1;
      else high = middle;
    }
    return this.goTo(low);
  }

  /** One entry: from the window, the store or the server. */
  async entry(seq: Seq): Promise<Entry | undefined> {
    const { entries = [] } = this.shown.value ?? {};
    const shown = entries[seq - (entries[0]?.seq ?? 0)];
    if (shown?.seq === seq) return shown;
    const stored = await this.#replica.entry(this.id, seq);
    if (stored) return stored;
    const page = await this.#history({ after: seq - 1, limit: 1 });
    return page?.entries.find((entry) => entry.seq === seq);
  }

  loadOlder(): Promise<void> {
    return this.#load("older", async ({ entries, newer }) => {
      const first = entries[0];
      const page = first && (await this.#before(first.seq));
      if (!page) return;
      const all = [...page.entries, ...entries];
      const kept = all.slice(0, WINDOW);
      this.#show({ entries: kept, older: page.more, newer: newer || kept.length < all.length });
    });
  }

  loadNewer(): Promise<void> {
    return this.#load("newer", async ({ entries, older }) => {
      const last = entries.at(-1);
      const page = last && (await this.#after(last.seq));
      if (!page) return;
      const all = [...entries, ...page.entries];
      const kept = all.slice(-WINDOW);
      this.#show({ entries: kept, older: older || kept.length < all.length, newer: page.more });
    });
  }

  close(): void {
    for (const end of this.#ends) end();
  }

  #show(shown: Shown): void {
    this.shown.value = shown;
  }

  #step(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(work).catch((error) => console.warn("the log cannot be shown:", error));
    return this.#last;
  }

  #load(direction: Direction, work: (shown: Shown) => Promise<void>): Promise<void> {
    const hasMore = () => this.shown.value?.[direction] === true;
    if (this.loading.value !== undefined || !hasMore()) return Promise.resolve();
    this.loading.value = direction;
    return this.#step(async () => {
      if (hasMore()) await work(this.shown.value as Shown);
    }).finally(() => (this.loading.value = undefined));
  }

  /** The log has grown. */
  #grow(news: readonly Entry[]): void {
    const shown = this.shown.value;
    if (!shown) return;
    for (const entry of news) this.#alter(entry);
    if (shown.newer) return;
    const entries = [...(this.shown.value as Shown).entries];
    for (const entry of news) {
      const last = entries.at(-1);
      if (last === undefined || entry.seq === last.seq + 1) entries.push(entry);
    }
    const { older } = shown;
    if (entries.length <= MOST) this.#show({ entries, older, newer: false });
    else if (this.isFollowed) this.#show({ entries: entries.slice(-WINDOW), older: true, newer: false });
    else this.#show({ entries: entries.slice(0, MOST), older, newer: true });
  }

  /** A window that the replica does not have is altered here. */
  #alter(by: Entry): void {
    const target = targetOf(by);
    const message = target === undefined ? undefined : this.#shownAt(target);
    if (message) this.#replace(new Map([[message.seq, altered(message, by)]]));
  }

  #shownAt(seq: Seq): Entry | undefined {
    const { entries = [] } = this.shown.value ?? {};
    return entries[seq - (entries[0]?.seq ?? Infinity)];
  }

  #replace(messages: ReadonlyMap<Seq, Entry>): void {
    const shown = this.shown.value;
    if (!shown || ![...messages.keys()].some((seq) => this.#shownAt(seq))) return;
    this.#show({ ...shown, entries: shown.entries.map((entry) => messages.get(entry.seq) ?? entry) });
  }

  async #before(seq: Seq): Promise<{ entries: Entry[]; more: boolean } | undefined> {
    const record = await this.#replica.conversation(this.id);
    if (!record) return undefined;
    if (seq < record.first) return this.#history({ before: seq, limit: PAGE });
    const page = await this.#replica.entries(this.id, { before: seq, limit: PAGE });
    // Nothing stored, and nobody to ask: later there may be.
    return page.entries.length === 0 && page.more ? undefined : page;
  }

  async #after(seq: Seq): Promise<{ entries: Entry[]; more: boolean } | undefined> {
    const record = await this.#replica.conversation(this.id);
    if (!record) return undefined;
    if (seq + 1 < record.first) {
      const page = await this.#history({ after: seq, limit: PAGE });
      return page && { entries: page.entries, more: (page.entries.at(-1)?.seq ?? seq) < record.cursor };
    }
    const end = Math.min(seq + PAGE, record.cursor);
    if (end <= seq) return { entries: [], more: false };
    const where = { before: end + 1, limit: end - seq, only: "stored" } as const;
    const { entries } = await this.#replica.entries(this.id, where);
    return { entries, more: end < record.cursor };
  }

  async #around(seq: Seq): Promise<Shown | undefined> {
    const record = await this.#replica.conversation(this.id);
    if (!record || seq > record.cursor) return undefined;
    const half = PAGE / 2;
    if (seq >= record.first) {
      const end = Math.min(seq + half, record.cursor);
      const limit = end - Math.max(1, seq - half) + 1;
      const { entries, more } = await this.#replica.entries(this.id, { before: end + 1, limit });
      return { entries, older: more, newer: end < record.cursor };
    }
    const page = await this.#history({ around: seq, limit: PAGE });
    if (!page || page.entries.length === 0) return undefined;
    const { entries } = page;
    return {
      entries,
      older: (entries[0]?.seq ?? 1) > 1,
      newer: (entries.at(-1)?.seq ?? 0) < record.cursor,
    };
  }

  #history(where: { before?: Seq; after?: Seq; around?: Seq; limit: number }) {
    return this.#askNow.ask("history", { conversation: this.id, ...where }).catch(() => undefined);
  }
}
