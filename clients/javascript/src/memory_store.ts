/** A store that lives as long as its program. */

import { targetOf } from "./messages.js";
import type { ClientId, ConversationId, Entry, Seq } from "./protocol.js";
import type { ConversationRecord, OutboxItem, ReadTables, Store, Tables } from "./store.js";

export class MemoryStore implements Store {
  readonly shared = undefined;
  #last: Promise<unknown> = Promise.resolve();
  readonly #tables = new MemoryTables();

  read<Result>(work: (tables: ReadTables) => Promise<Result>): Promise<Result> {
    return this.#alone(() => work(this.#tables));
  }

  write<Result>(work: (tables: Tables) => Promise<Result>): Promise<Result> {
    return this.#alone(async () => {
      try {
        return await work(this.#tables);
      } catch (error) {
        this.#tables.undo();
        throw error;
      } finally {
        this.#tables.forget();
      }
    });
  }

  close(): void {}

  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

class MemoryTables implements Tables {
  readonly #conversations = new Map<ConversationId, ConversationRecord>();
  readonly #entries = new Map<ConversationId, Map<Seq, Entry>>();
  readonly #outbox = new Map<ClientId, OutboxItem>();
  readonly #facts = new Map<string, string>();
  #order = 0;
  #undo: (() => void)[] = [];

  /** Takes back what was changed since {@link forget}. */
  undo(): void {
    for (const step of this.#undo.reverse()) step();
  }

  forget(): void {
    this.#undo = [];
  }

  async conversation(id: ConversationId): Promise<ConversationRecord | undefined> {
    return structuredClone(this.#conversations.get(id));
  }

  async conversations(): Promise<ConversationRecord[]> {
    return structuredClone([...this.#conversations.values()]);
  }

  async entry(conversation: ConversationId, seq: Seq): Promise<Entry | undefined> {
    return structuredClone(this.#entries.get(conversation)?.get(seq));
  }

  async entries(
    conversation: ConversationId,
    { from, to, limit, nearest }: { from: Seq; to: Seq; limit: number; nearest: "from" | "to" },
  ): Promise<Entry[]> {
    const all = this.#find(conversation, ({ seq }) => seq >= from && seq <= to);
    const start = nearest === "from" ? 0 : Math.max(0, all.length - limit);
    return structuredClone(all.slice(start, start + limit));
  }

  async alterations(conversation: ConversationId, target: Seq): Promise<Entry[]> {
    return structuredClone(this.#find(conversation, (entry) => targetOf(entry) === target));
  }

  async outbox(): Promise<OutboxItem[]> {
    return structuredClone([...this.#outbox.values()].sort((a, b) => a.order - b.order));
  }

  async outboxItem(id: ClientId): Promise<OutboxItem | undefined> {
    return structuredClone(this.#outbox.get(id));
  }

  async fact(name: string): Promise<string | undefined> {
    return this.#facts.get(name);
  }

  async putConversation(record: ConversationRecord): Promise<void> {
    this.#put(this.#conversations, record.id, structuredClone(record));
  }

  async deleteConversation(id: ConversationId): Promise<void> {
    this.#put(this.#conversations, id, undefined);
    this.#put(this.#entries, id, undefined);
  }

  async putEntry(entry: Entry): Promise<void> {
    const entries = this.#entries.get(entry.conversation) ?? new Map<Seq, Entry>();
    if (entries.size === 0) this.#put(this.#entries, entry.conversation, entries);
    this.#put(entries, entry.seq, structuredClone(entry));
  }

  async addToOutbox(item: Omit<OutboxItem, "order">): Promise<void> {
    if (this.#outbox.has(item.client_id)) throw new Error(`${item.client_id} is in the outbox already`);
    this.#order += 1;
    this.#put(this.#outbox, item.client_id, structuredClone({ ...item, order: this.#order }));
  }

  async putOutboxItem(item: OutboxItem): Promise<void> {
    this.#put(this.#outbox, item.client_id, structuredClone(item));
  }

  async deleteOutboxItem(id: ClientId): Promise<void> {
    this.#put(this.#outbox, id, undefined);
  }

  async putFact(name: string, value: string): Promise<void> {
    this.#put(this.#facts, name, value);
  }

  #find(conversation: ConversationId, isWanted: (entry: Entry) => boolean): Entry[] {
    const entries = [...(this.#entries.get(conversation)?.values() ?? [])];
    return entries.filter(isWanted).sort((a, b) => a.seq - b.seq);
  }

  #put<Key, Value>(map: Map<Key, Value>, key: Key, value: Value | undefined): void {
    const before = map.get(key);
    this.#undo.push(() => {
      if (before === undefined) map.delete(key);
      else map.set(key, before);
    });
    if (value === undefined) map.delete(key);
    else map.set(key, value);
  }
}
