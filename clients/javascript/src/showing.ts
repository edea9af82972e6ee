/**
 * Tells the listeners of one tab what has changed in the store, by reading it: so it is told in order and once,
 * whichever tab has written it, and however many changes were heard of in between.
 */

import type { Emitter } from "./emitter.js";
import type { Changes } from "./local_log.js";
import type { ConversationId, Seq } from "./protocol.js";
import type { ReplicaEvents } from "./replica.js";
import type { ConversationRecord, Store } from "./store.js";

/** Entries in one event. */
const AT_ONCE = 200;

export class Showing {
  readonly #store: Store;
  readonly #emitter: Emitter<ReplicaEvents>;
  readonly #storeFailed: (error: unknown) => void;
  /** The last entry of each conversation that the listeners were told of. */
  readonly #shown = new Map<ConversationId, Seq>();
  #last: Promise<void> = Promise.resolve();

  constructor(store: Store, emitter: Emitter<ReplicaEvents>, storeFailed: (error: unknown) => void) {
    this.#store = store;
    this.#emitter = emitter;
    this.#storeFailed = storeFailed;
  }

  /** What the store holds now is not told of. */
  begin(records: ConversationRecord[]): void {
    for (const { id, cursor } of records) this.#shown.set(id, cursor);
  }

  /** Tells of these changes, after those before. */
  show(changes: Changes): Promise<void> {
    this.#last = this.#last.then(() => this.#tell(changes)).catch(this.#storeFailed);
    return this.#last;
  }

  /** Resolves when all is told. */
  done(): Promise<void> {
    return this.#last;
  }

  async #tell(changes: Changes): Promise<void> {
    for (const conversation of changes.reset) {
      this.#shown.delete(conversation);
      this.#emitter.emit("reset", { conversation });
    }
    for (const id of changes.conversations) {
      const record = await this.#store.read((tables) => tables.conversation(id));
      if (!record) continue;
      await this.#tellEntries(record);
      this.#emitter.emit("conversation", record);
    }
    for (const [conversation, seqs] of changes.messages) {
      const read = [...seqs].map((seq) => this.#store.read((tables) => tables.entry(conversation, seq)));
      const messages = (await Promise.all(read)).filter((entry) => entry !== undefined);
      if (messages.length > 0) this.#emitter.emit("messages", { conversation, messages });
    }
    if (changes.outbox) this.#emitter.emit("outbox", {});
  }

  async #tellEntries({ id, first, cursor }: ConversationRecord): Promise<void> {
    let shown = this.#shown.get(id) ?? first - 1;
    this.#shown.set(id, shown);
    while (shown < cursor) {
      const range = { from: shown + 1, to: cursor, limit: AT_ONCE, nearest: "from" } as const;
      const entries = await this.#store.read((tables) => tables.entries(id, range));
      const last = entries.at(-1);
      if (!last) break;
      shown = last.seq;
      this.#shown.set(id, shown);
      this.#emitter.emit("entries", { conversation: id, entries });
    }
  }
}
