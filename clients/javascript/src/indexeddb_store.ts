/** A store in the browser's IndexedDB: outlives the page, and is shared by all tabs of its origin. */

import { targetOf } from "./messages.js";
import type { ClientId, ConversationId, Entry, Seq } from "./protocol.js";
import type { ConversationRecord, Durability, OutboxItem, ReadTables, Store, Tables } from "./store.js";

/** Higher with every change of what {@link migrate} makes. */
const VERSION = 1;

/** What lies in the table of entries; `target` is there for the index. */
interface Slot {
  conversation: ConversationId;
  seq: Seq;
  target?: Seq;
  entry: Entry;
}

export class IndexedDbStore implements Store {
  readonly shared: string;
  readonly #database: IDBDatabase;

  private constructor(name: string, database: IDBDatabase) {
    this.shared = name;
    this.#database = database;
    // Another tab has a newer version of this page: it must not wait for us.
    database.onversionchange = () => database.close();
  }

  /**
   * Opens the store of this name, and makes it where there is none. Use one for each user (`starling-ann`, say). A
   * store that a later version of this library has changed is refused.
   */
  static async open(name: string): Promise<IndexedDbStore> {
    const request = indexedDB.open(name, VERSION);
    request.onupgradeneeded = ({ oldVersion }) => migrate(request.result, oldVersion);
    return new IndexedDbStore(name, await outcome(request));
  }

  /** Removes the store of this name with all that is in it: when a user signs out, say. Close it first, in all tabs. */
  static async remove(name: string): Promise<void> {
    await outcome(indexedDB.deleteDatabase(name));
  }

  read<Result>(work: (tables: ReadTables) => Promise<Result>): Promise<Result> {
    return this.#transaction("readonly", work);
  }

  write<Result>(
    work: (tables: Tables) => Promise<Result>,
    durability: Durability = "relaxed",
  ): Promise<Result> {
    return this.#transaction("readwrite", work, durability);
  }

  close(): void {
    this.#database.close();
  }

  async #transaction<Result>(
    mode: "readonly" | "readwrite",
    work: (tables: Tables) => Promise<Result>,
    durability: Durability = "relaxed",
  ): Promise<Result> {
    const all = ["conversations", "entries", "outbox", "facts"];
    const transaction = this.#database.transaction(all, mode, { durability });
    const done = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was given up"));
    });
    try {
      const result = await work(new IndexedDbTables(transaction));
      await done;
      return result;
    } catch (error) {
      // Nobody else looks at it.
      done.catch(() => undefined);
      try {
        transaction.abort();
      } catch {
        // It has ended by itself.
      }
      throw error;
    }
  }
}

function migrate(database: IDBDatabase, from: number): void {
  if (from < 1) {
    database.createObjectStore("conversations", { keyPath: "id" });
    const entries = database.createObjectStore("entries", { keyPath: ["conversation", "seq"] });
    entries.createIndex("target", ["conversation", "target", "seq"]);
    const outbox = database.createObjectStore("outbox", { keyPath: "order", autoIncrement: true });
    outbox.createIndex("client_id", "client_id", { unique: true });
    database.createObjectStore("facts");
  }
}

class IndexedDbTables implements Tables {
  readonly #conversations: IDBObjectStore;
  readonly #entries: IDBObjectStore;
  readonly #outbox: IDBObjectStore;
  readonly #facts: IDBObjectStore;

  constructor(transaction: IDBTransaction) {
    this.#conversations = transaction.objectStore("conversations");
    this.#entries = transaction.objectStore("entries");
    this.#outbox = transaction.objectStore("outbox");
    this.#facts = transaction.objectStore("facts");
  }

  conversation(id: ConversationId): Promise<ConversationRecord | undefined> {
    return outcome(this.#conversations.get(id));
  }

  conversations(): Promise<ConversationRecord[]> {
    return outcome(this.#conversations.getAll());
  }

  async entry(conversation: ConversationId, seq: Seq): Promise<Entry | undefined> {
    const slot: Slot | undefined = await outcome(this.#entries.get([conversation, seq]));
    return slot?.entry;
  }

  async entries(
    conversation: ConversationId,
    { from, to, limit, nearest }: { from: Seq; to: Seq; limit: number; nearest: "from" | "to" },
  ): Promise<Entry[]> {
    if (from > to || limit <= 0) return [];
    // Entries stand without holes, but the range may end beyond them: the other end is found by walking.
    const range = IDBKeyRange.bound([conversation, from], [conversation, to]);
    if (nearest === "from") {
      const slots: Slot[] = await outcome(this.#entries.getAll(range, limit));
      return slots.map(({ entry }) => entry);
    }
    const last = await outcome(this.#entries.openKeyCursor(range, "prev"));
    if (!last) return [];
    const [, end] = last.key as [ConversationId, Seq];
    const start = Math.max(from, end - limit + 1);
    const slots: Slot[] = await outcome(
      this.#entries.getAll(IDBKeyRange.bound([conversation, start], [conversation, end])),
    );
    return slots.map(({ entry }) => entry);
  }

  async alterations(conversation: ConversationId, target: Seq): Promise<Entry[]> {
    const range = IDBKeyRange.bound([conversation, target, 0], [conversation, target, Infinity]);
    const slots: Slot[] = await outcome(this.#entries.index("target").getAll(range));
    return slots.map(({ entry }) => entry);
  }

  outbox(): Promise<OutboxItem[]> {
    return outcome(this.#outbox.getAll());
  }

  outboxItem(id: ClientId): Promise<OutboxItem | undefined> {
    return outcome(this.#outbox.index("client_id").get(id));
  }

  fact(name: string): Promise<string | undefined> {
    return outcome(this.#facts.get(name));
  }

  async putConversation(record: ConversationRecord): Promise<void> {
    await outcome(this.#conversations.put(record));
  }

  async deleteConversation(id: ConversationId): Promise<void> {
    await outcome(this.#conversations.delete(id));
    await outcome(this.#entries.delete(IDBKeyRange.bound([id, 0], [id, Infinity])));
  }

  async putEntry(entry: Entry): Promise<void> {
    const { conversation, seq } = entry;
    const slot: Slot = { conversation, seq, entry };
    const target = targetOf(entry);
    if (target !== undefined) slot.target = target;
    await outcome(this.#entries.put(slot));
  }

  async addToOutbox(item: Omit<OutboxItem, "order">): Promise<void> {
    await outcome(this.#outbox.add(item));
  }

  async putOutboxItem(item: OutboxItem): Promise<void> {
    await outcome(this.#outbox.put(item));
  }

  async deleteOutboxItem(id: ClientId): Promise<void> {
    const key = await outcome(this.#outbox.index("client_id").getKey(id));
    if (key !== undefined) await outcome(this.#outbox.delete(key));
  }

  async putFact(name: string, value: string): Promise<void> {
    await outcome(this.#facts.put(value, name));
  }
}

function outcome<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
