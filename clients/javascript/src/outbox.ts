/**
 * Hands what is in the outbox to the client, in order, and takes out what the server has settled. Runs in the tab that
 * leads.
 *
 * Constraint: an item leaves the outbox in the transaction in which its entry, or all that comes before the place where
 * it was answered, is in the log.
 */

import type { Client } from "./client.js";
import type { Clock } from "./clock.js";
import { BusyError, RefusedError } from "./errors.js";
import { type Changes, settle } from "./local_log.js";
import type { ClientId, Commands, Seq } from "./protocol.js";
import type { OutboxItem, Store, Tables } from "./store.js";

/** Items that the client has at a time. */
const HANDED = 256;
/** When the client has no room. */
const BUSY_MS = 1_000;

/** Changes the store, and tells whoever shows it. */
export type Change = <Result>(work: (tables: Tables, changes: Changes) => Promise<Result>) => Promise<Result>;

export class OutboxSender {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #change: Change;
  readonly #storeFailed: (error: unknown) => void;
  #client: Client | undefined;
  /** Items that the client has, or has had: see {@link drain}. */
  readonly #handed = new Set<ClientId>();
  /** Items that the server has stored, until the log has got there. */
  readonly #stored = new Map<ClientId, Seq>();
  /** Items up to here are from before: they may have been sent. */
  #oldItems = 0;
  /** Items that the client had no room for, and that nothing may overtake. */
  #busy = 0;
  /** Something was settled by a log that grew. */
  #hasSettled = false;
  #isDraining = false;
  #again = false;

  constructor(store: Store, clock: Clock, change: Change, storeFailed: (error: unknown) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#change = change;
    this.#storeFailed = storeFailed;
  }

  /** Sends through this client; `items` are those that are there already. */
  start(client: Client, items: OutboxItem[]): void {
    this.stop();
    this.#client = client;
    this.#oldItems = items.at(-1)?.order ?? 0;
    void this.drain();
  }

  stop(): void {
    this.#client = undefined;
    this.#handed.clear();
    this.#stored.clear();
  }

  /** There may be something to send. */
  async drain(): Promise<void> {
    this.#again = true;
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      while (this.#again) {
        this.#again = false;
        const items = await this.#store.read((tables) => tables.outbox());
        const client = this.#client;
        if (!client || client.phase === "ended") continue;
        // What is not there any more is settled, whether by its answer or by the log.
        const ids = new Set(items.map(({ client_id }) => client_id));
        for (const id of this.#handed) if (!ids.has(id)) this.#handed.delete(id);
        for (const item of items) {
          if (this.#handed.size >= HANDED || this.#busy > 0) break;
          if (!item.failed && !this.#handed.has(item.client_id)) this.#hand(client, item);
        }
      }
    } catch (error) {
      this.#storeFailed(error);
    } finally {
      this.#isDraining = false;
    }
  }

  /** Logs have grown: takes out what has been waiting for that. Part of the transaction in which they grow. */
  async grown(tables: Tables, changes: Changes): Promise<void> {
    for (const [id, seq] of this.#stored) {
      if (!(await settle(tables, id, seq, changes))) continue;
      this.#stored.delete(id);
      this.#hasSettled = true;
    }
  }

  /** That transaction has ended: there may be room for more. */
  written(): void {
    if (!this.#hasSettled) return;
    this.#hasSettled = false;
    void this.drain();
  }

  #hand(client: Client, { client_id, order, command }: OutboxItem): void {
    this.#handed.add(client_id);
    const retry = order <= this.#oldItems ? { retry: true } : {};
    const fields = { ...command.fields, ...retry } as Commands["send"];
    client.request(command.name as "send", fields).then(
      ({ seq }) => this.#answered(client, client_id, () => this.#isStored(client_id, seq)),
      (error) => this.#answered(client, client_id, () => this.#isRefused(client_id, error)),
    );
  }

  async #answered(client: Client, id: ClientId, work: () => Promise<void>): Promise<void> {
    // Whoever sends now asks again.
    if (client !== this.#client) return;
    try {
      await work();
      // What is stored is not sent again while it waits for the log.
      if (!this.#stored.has(id)) this.#handed.delete(id);
    } catch (error) {
      return this.#storeFailed(error);
    }
    void this.drain();
  }

  async #isStored(id: ClientId, seq: Seq): Promise<void> {
    this.#stored.set(id, seq);
    await this.#change(async (tables, changes) => {
      if (await settle(tables, id, seq, changes)) this.#stored.delete(id);
    });
  }

  async #isRefused(id: ClientId, error: unknown): Promise<void> {
    if (error instanceof BusyError) {
      this.#busy += 1;
      await new Promise<void>((resolve) => this.#clock.after(BUSY_MS, resolve));
      this.#busy -= 1;
    }
    // Any other error says that the client has ended: the item stays.
    if (!(error instanceof RefusedError)) return;
    await this.#change(async (tables, changes) => {
      const item = await tables.outboxItem(id);
      if (!item) return;
      await tables.putOutboxItem({ ...item, failed: error.error });
      changes.outbox = true;
    });
  }
}
