/**
 * What a user has of his conversations on this device: there at once and without a network, and kept up by a
 * {@link Client} whenever there is one.
 *
 * Constraints: what comes in is in the store before anybody is told. What is said is in the store before `send`
 * returns, and leaves in the order in which it was said, under the client id that it was given then.
 */

import { Client, type ClientOptions, type Phase } from "./client.js";
import { newClientId, withClientId } from "./client_id.js";
import { systemClock, type Clock } from "./clock.js";
import { Emitter, type Listener } from "./emitter.js";
import { BusyError, EndedError, type EndReason, RefusedError } from "./errors.js";
import {
  applyEntry,
  applyReceipts,
  applyRemoval,
  applyReset,
  applyState,
  type Changes,
  markRead,
  noChanges,
  prepend,
  settle,
} from "./local_log.js";
import type {
  ClientId,
  Command,
  CommandName,
  Commands,
  ConversationId,
  ConversationState,
  Entry,
  MessageKind,
  Presence,
  ReceiptsChange,
  ReplyTo,
  Seq,
  ServerError,
  TypingChange,
  UserId,
} from "./protocol.js";
import { LIMITS } from "./protocol.js";
import type { ConversationRecord, OutboxCommand, OutboxItem, Store } from "./store.js";
import type { Passed } from "./streams.js";
import { Tabs } from "./tabs.js";
import { onWake } from "./wake.js";

export interface ReplicaOptions extends Pick<ClientOptions, "url" | "token" | "WebSocket" | "clock"> {
  /** Whose conversations these are: the `sub` of the token. */
  user: UserId;
  store: Store;
}

export interface ReplicaStatus {
  phase: Phase;
  /** The node that serves this user now. */
  node?: string;
  /** Why the connection has ended for good; {@link Replica.connect} begins anew. */
  ended?: { reason: EndReason; message: string };
}

export interface ReplicaEvents {
  /**
   * The next entries of a conversation, oldest first. Merge them by `seq`: who reads at the same time may have read
   * them already.
   */
  entries: { conversation: ConversationId; entries: Entry[] };
  /** Messages that were edited, deleted or reacted to, as they are now. */
  messages: { conversation: ConversationId; messages: Entry[] };
  /** What is known of a conversation has changed: its name, its last message, the unread count. */
  conversation: ConversationRecord;
  /** The conversation is deleted for all, or the cluster has another log of it: what was shown of it is void. */
  reset: { conversation: ConversationId };
  /** The outbox has changed. */
  outbox: object;
  status: ReplicaStatus;
  receipts: ReceiptsChange;
  typing: TypingChange;
  presence: Presence;
}

/** A page of a conversation. `more`: older ones exist, here or on the server. */
export interface EntryPage {
  entries: Entry[];
  more: boolean;
}

/** Events that are not kept, and go to all tabs as they come. */
type Passing = { [Type in "receipts" | "typing" | "presence"]: { type: Type; event: ReplicaEvents[Type] } }[
  | "receipts"
  | "typing"
  | "presence"];

/** What is written to the store in the order in which it came. */
type Arrival = Passed | { type: "receipts"; event: ReceiptsChange };

/** What tabs say to one another. */
type Said =
  | { say: "changed"; changes: Changes }
  | { say: "passing"; passing: Passing }
  | { say: "leads"; from: string; status: ReplicaStatus }
  | { say: "hello" }
  | { say: "outbox" }
  | { say: "connect" }
  | { say: "bye"; from: string }
  | { say: "read"; conversation: ConversationId; seq: Seq }
  | { say: "typing"; conversation: ConversationId; typing: boolean }
  | { say: "availability"; from: string; state: Availability }
  | { say: "ask"; from: string; id: number; command: Command }
  | { say: "heard"; to: string; id: number }
  | { say: "answer"; to: string; id: number; outcome: Outcome };

type Availability = "online" | "away";

/** What became of a command that another tab asked for. */
type Outcome = { reply: unknown } | { refused: ServerError } | { failed: string };

interface Ask {
  command: Command;
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

/** Arrivals that are written in one transaction. */
const BATCH = 500;
/** Arrivals that may wait for the store. With more, the connection is dropped until they are written. */
export const MAX_ARRIVALS = 10_000;
/** Entries in one event. */
const SHOWN_AT_ONCE = 200;
/** Items of the outbox that are handed to the client at a time. */
const HANDED = 256;
/** For the leader to answer. */
const LEADER_PATIENCE_MS = 3_000;
const PAGE = 50;

export class Replica {
  readonly #options: ReplicaOptions;
  readonly #me: UserId;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #emitter = new Emitter<ReplicaEvents>();
  readonly #tabs: Tabs;
  readonly #endWake: () => void;
  #closed = false;
  #status: ReplicaStatus = { phase: "away" };

  /** The last entry of each conversation that this tab's listeners were told of. */
  readonly #shown = new Map<ConversationId, Seq>();
  #showing: Promise<void> = Promise.resolve();
  /** What other tabs are asked, by this tab's number. */
  readonly #asks = new Map<number, Ask>();
  #nextAsk = 1;
  /** The tab that leads, as far as this one has heard. */
  #leader: string | undefined;
  #leaderTimer: () => void = () => undefined;
  #availability: Availability = "online";

  /** Only while this tab leads. */
  #leads = false;
  #client: Client | undefined;
  #arrivals: Arrival[] = [];
  #writing: Promise<void> | undefined;
  /** Items of the outbox that the client has. */
  readonly #handed = new Set<ClientId>();
  #draining = false;
  #drainAgain = false;
  /** Items up to here are from before: they may have been sent. */
  #oldItems = 0;
  /** Items that the server has stored, until the log has got there. */
  readonly #stored = new Map<ClientId, Seq>();
  readonly #availabilities = new Map<string, Availability>();

  private constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#me = options.user;
    this.#store = options.store;
    this.#clock = options.clock ?? systemClock;
    this.#tabs = new Tabs(options.store.shared, {
      leads: () => this.#lead(),
      follows: () => this.#follow(),
      said: (said: Said) => this.#hear(said),
    });
    this.#endWake = onWake(() => this.#seeLeader());
  }

  /**
   * Opens what is in the store, and begins to connect, or to follow the tab that does. Rejects with an `EndedError`
   * where the store is another user's.
   */
  static async open(options: ReplicaOptions): Promise<Replica> {
    const replica = new Replica(options);
    try {
      await replica.#open();
    } catch (error) {
      replica.close();
      throw error;
    }
    return replica;
  }

  async #open(): Promise<void> {
    const records = await this.#store.write(async (tables) => {
      const owner = await tables.fact("user");
      if (owner === undefined) await tables.putFact("user", this.#me);
      else if (owner !== this.#me) throw new EndedError("other_user", `the store is ${owner}'s`);
      return tables.conversations();
    });
    for (const { id, cursor } of records) this.#shown.set(id, cursor);
    this.#tabs.start();
    this.#seeLeader();
  }

  /** Calls `listener` for each event of this type; returns what ends that. */
  on<Type extends keyof ReplicaEvents>(type: Type, listener: Listener<ReplicaEvents[Type]>): () => void {
    return this.#emitter.on(type, listener);
  }

  get status(): ReplicaStatus {
    return this.#status;
  }

  /** Whether this tab holds the connection for all. */
  get leads(): boolean {
    return this.#leads;
  }

  /** All conversations, those with the latest messages first. */
  async conversations(): Promise<ConversationRecord[]> {
    const records = await this.#store.read((tables) => tables.conversations());
    return records.sort((a, b) => (b.last?.at ?? 0) - (a.last?.at ?? 0) || (a.id < b.id ? -1 : 1));
  }

  conversation(id: ConversationId): Promise<ConversationRecord | undefined> {
    return this.#store.read((tables) => tables.conversation(id));
  }

  /**
   * The newest entries, or those right before `before`, oldest first. What is not here comes from the server if it
   * can be reached, and stays here then; with `only: "stored"` it does not. Void entries, and bodies of later
   * versions, are among them.
   */
  async entries(
    id: ConversationId,
    where: { before?: Seq; limit?: number; only?: "stored" } = {},
  ): Promise<EntryPage> {
    const { before = Infinity, limit = PAGE, only } = where;
    const page = await this.#page(id, before, limit);
    const lacks = limit - page.entries.length;
    if (lacks <= 0 || !page.more || only === "stored" || !this.#isServed()) return page;
    const first = (await this.conversation(id))?.first ?? 1;
    if (first === 1) return page;
    const older = await this.#older(id, first, Math.min(Math.max(PAGE, lacks), LIMITS.historyPage));
    if (older.length === 0) return page;
    await this.#change((tables, changes) => prepend(tables, id, older, changes));
    return this.#page(id, before, limit);
  }

  /** One entry, if it is here. */
  entry(id: ConversationId, seq: Seq): Promise<Entry | undefined> {
    return this.#store.read((tables) => tables.entry(id, seq));
  }

  /** What was said and is not in the log yet, oldest first; of one conversation, or of all. */
  async outbox(id?: ConversationId): Promise<OutboxItem[]> {
    const items = await this.#store.read((tables) => tables.outbox());
    return items.filter(({ conversation }) => id === undefined || conversation === id);
  }

  /** Says something, now or when there is a network. Resolves with its client id when it is kept. */
  send(
    conversation: ConversationId,
    text: string,
    more: { kind?: MessageKind; reply_to?: Seq } = {},
  ): Promise<ClientId> {
    const client_id = newClientId();
    return this.#post({ name: "send", fields: { conversation, client_id, text, ...more } }, client_id);
  }

  /** Changes what this user said. */
  edit(conversation: ConversationId, seq: Seq, text: string): Promise<ClientId> {
    const client_id = newClientId();
    return this.#post({ name: "edit", fields: { conversation, seq, text, client_id } }, client_id);
  }

  /** Takes back what this user said, or as a moderator what another said. */
  delete(conversation: ConversationId, seq: Seq): Promise<ClientId> {
    const client_id = newClientId();
    return this.#post({ name: "delete", fields: { conversation, seq, client_id } }, client_id);
  }

  /** Reacts to a message, or takes that back. */
  react(conversation: ConversationId, seq: Seq, emoji: string, how: "add" | "remove" = "add"): Promise<ClientId> {
    const client_id = newClientId();
    const removed = how === "remove" ? { removed: true } : {};
    return this.#post({ name: "react", fields: { conversation, seq, emoji, client_id, ...removed } }, client_id);
  }

  /** Sends an item of the outbox that was refused once more, as a new one, behind all others. */
  async retry(id: ClientId): Promise<ClientId | undefined> {
    const client_id = newClientId();
    const isBack = await this.#change(async (tables, changes) => {
      const item = await tables.outboxItem(id);
      if (!item?.failed) return false;
      const { conversation, at } = item;
      const command = { ...item.command, fields: { ...item.command.fields, client_id } } as OutboxCommand;
      await tables.deleteOutboxItem(id);
      await tables.addToOutbox({ client_id, conversation, command, at });
      changes.outbox = true;
      return true;
    });
    this.#poke();
    return isBack ? client_id : undefined;
  }

  /** Takes an item that was refused out of the outbox. */
  async discard(id: ClientId): Promise<void> {
    await this.#change(async (tables, changes) => {
      if (!(await tables.outboxItem(id))?.failed) return;
      await tables.deleteOutboxItem(id);
      changes.outbox = true;
    });
  }

  /** This user has read everything up to `seq`. Kept here, and told to the server when it can be. */
  async read(conversation: ConversationId, seq: Seq): Promise<void> {
    const upTo = await this.#change((tables, changes) => markRead(tables, conversation, seq, changes));
    if (upTo === 0) return;
    if (this.#leads) this.#client?.read(conversation, upTo);
    else this.#say({ say: "read", conversation, seq: upTo });
  }

  /** See {@link Client.typing}. */
  typing(conversation: ConversationId, typing: boolean): void {
    if (this.#leads) this.#client?.typing(conversation, typing);
    else this.#say({ say: "typing", conversation, typing });
  }

  /** Whether somebody looks at this tab. The user is away where nobody looks at any. */
  setAvailability(state: Availability): void {
    this.#availability = state;
    if (this.#leads) this.#gatherAvailability();
    else this.#sayAvailability();
  }

  /**
   * Any command that needs an answer from the server, such as `create` or `presences`; see {@link Client.request}.
   * Without a network it waits for one.
   */
  request<Name extends Exclude<CommandName, "auth" | "sync">>(
    name: Name,
    fields: Commands[Name],
  ): Promise<ReplyTo<Name>> {
    // Whoever is asked, and however often, carries it out once.
    const command = { name, fields: withClientId(name, { ...fields }) } as Command;
    if (this.#client) return this.#client.request(name, fields);
    const { ended } = this.#status;
    if (this.#closed) return Promise.reject(new EndedError("closed", "the replica is closed"));
    if (ended) return Promise.reject(new EndedError(ended.reason, ended.message));
    return new Promise((resolve, reject) => {
      const id = this.#nextAsk;
      this.#nextAsk += 1;
      this.#asks.set(id, { command, resolve: (reply) => resolve(reply as ReplyTo<Name>), reject });
      this.#ask(id, command);
    });
  }

  /** Begins anew after the connection has ended for good: with a token that the provider has by now. */
  connect(): void {
    if (!this.#leads) this.#say({ say: "connect" });
    else if (this.#status.phase === "ended") void this.#startClient();
  }

  /** Lets go of the connection and the store. What is in the outbox is sent by another tab, or the next time. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#say({ say: "bye", from: this.#tabs.id });
    this.#endWake();
    this.#leaderTimer();
    this.#stopClient();
    this.#tabs.close();
    this.#failAsks(new EndedError("closed", "the replica is closed"));
    // What is being written may end.
    void Promise.allSettled([this.#writing, this.#showing]).then(() => this.#store.close());
  }

  #failAsks(error: EndedError): void {
    for (const { reject } of this.#asks.values()) reject(error);
    this.#asks.clear();
  }

  // What the store says.

  #page(id: ConversationId, before: Seq, limit: number): Promise<EntryPage> {
    return this.#store.read(async (tables) => {
      const record = await tables.conversation(id);
      if (!record) return { entries: [], more: false };
      const to = Math.min(record.cursor, before - 1);
      const entries = await tables.entries(id, { from: record.first, to, limit, nearest: "to" });
      return { entries, more: (entries[0]?.seq ?? Math.min(record.first, before)) > 1 };
    });
  }

  /** Entries from the server, or none: a connection that breaks meanwhile does not hold up what is here. */
  #older(conversation: ConversationId, before: Seq, limit: number): Promise<Entry[]> {
    return new Promise((resolve) => {
      const settle = (entries: Entry[]) => {
        off();
        resolve(entries);
      };
      const off = this.on("status", () => {
        if (!this.#isServed()) settle([]);
      });
      this.request("history", { conversation, before, limit }).then(
        ({ entries }) => settle(entries),
        () => settle([]),
      );
    });
  }

  /** Changes the store, and tells all tabs what has changed. */
  async #change<Result>(
    work: (tables: Parameters<Parameters<Store["write"]>[0]>[0], changes: Changes) => Promise<Result>,
  ): Promise<Result> {
    const changes = noChanges();
    const result = await this.#store.write((tables) => work(tables, changes));
    this.#say({ say: "changed", changes });
    await this.#show(changes);
    return result;
  }

  /** Tells this tab's listeners, one change after the other. */
  #show(changes: Changes): Promise<void> {
    this.#showing = this.#showing.then(() => this.#showChanges(changes)).catch((error) => this.#storeFailed(error));
    return this.#showing;
  }

  async #showChanges(changes: Changes): Promise<void> {
    for (const conversation of changes.reset) {
      this.#shown.delete(conversation);
      this.#emitter.emit("reset", { conversation });
    }
    for (const id of changes.conversations) {
      const record = await this.conversation(id);
      if (!record) continue;
      let from = (this.#shown.get(id) ?? record.first - 1) + 1;
      while (from <= record.cursor) {
        const range = { from, to: record.cursor, limit: SHOWN_AT_ONCE, nearest: "from" } as const;
        const entries = await this.#store.read((tables) => tables.entries(id, range));
        const last = entries.at(-1);
        if (!last) break;
        this.#shown.set(id, last.seq);
        from = last.seq + 1;
        this.#emitter.emit("entries", { conversation: id, entries });
      }
      if (!this.#shown.has(id)) this.#shown.set(id, record.cursor);
      this.#emitter.emit("conversation", record);
    }
    for (const [conversation, seqs] of changes.messages) {
      const read = [...seqs].map((seq) => this.entry(conversation, seq));
      const messages = (await Promise.all(read)).filter((entry) => entry !== undefined);
      if (messages.length > 0) this.#emitter.emit("messages", { conversation, messages });
    }
    if (changes.outbox) this.#emitter.emit("outbox", {});
  }

  #storeFailed(error: unknown): void {
    if (this.#closed || this.#status.ended?.reason === "store") return;
    this.#stopClient();
    // The next tab may fare better.
    this.#leads = false;
    this.#leaderTimer();
    this.#tabs.close();
    this.#setStatus({ phase: "ended", ended: { reason: "store", message: String(error) } });
    this.#failAsks(new EndedError("store", String(error)));
  }

  // What this tab does while it leads.

  #lead(): void {
    if (this.#closed) return;
    this.#leads = true;
    this.#leaderTimer();
    void this.#startClient();
  }

  #follow(): void {
    this.#leads = false;
    this.#stopClient();
    this.#availabilities.clear();
    this.#setStatus({ phase: "away" });
    this.#say({ say: "hello" });
  }

  async #startClient(): Promise<void> {
    const begun = await this.#store
      .read(async (tables) => ({ records: await tables.conversations(), items: await tables.outbox() }))
      .catch((error) => this.#storeFailed(error));
    if (!begun || !this.#leads || this.#closed || (this.#client && this.#status.phase !== "ended")) return;
    const former = begun.records.filter(({ member }) => !member);
    this.#oldItems = begun.items.at(-1)?.order ?? 0;
    const { url, token, WebSocket, clock } = this.#options;
    const client = new Client({
      url,
      token,
      ...(WebSocket ? { WebSocket } : {}),
      ...(clock ? { clock } : {}),
      cursors: Object.fromEntries(begun.records.map(({ id, cursor }) => [id, cursor])),
      former: former.map(({ id }) => id),
      deliveredMarks: "manual",
      beforeConnect: async () => this.#writing,
    });
    this.#client = client;
    for (const type of ["entry", "conversation", "removed", "reset", "receipts"] as const) {
      client.on(type, (event) => this.#arrive({ type, event } as Arrival));
    }
    for (const type of ["receipts", "typing", "presence"] as const) {
      client.on(type, (event) => this.#pass({ type, event } as Passing));
    }
    client.on("connected", ({ user, node }) => {
      if (user === this.#me) return this.#setStatus({ phase: "ready", node });
      this.#stopClient();
      const message = `the token is ${user}'s, and what is stored here ${this.#me}'s`;
      this.#setStatus({ phase: "ended", ended: { reason: "other_user", message } });
    });
    client.on("live", () => this.#setStatus({ ...this.#status, phase: "live" }));
    client.on("disconnected", () => {
      if (this.#client === client) this.#setStatus({ phase: "away" });
    });
    client.on("ended", ({ reason, message }) => {
      if (this.#client === client) this.#setStatus({ phase: "ended", ended: { reason, message } });
    });
    this.#setStatus({ phase: "away" });
    client.start();
    this.#gatherAvailability();
    void this.#drain();
    for (const [id, ask] of this.#asks) {
      this.#asks.delete(id);
      client.request(ask.command.name as "ping", ask.command.fields as never).then(ask.resolve, ask.reject);
    }
  }

  #stopClient(): void {
    const client = this.#client;
    this.#client = undefined;
    this.#arrivals = [];
    this.#handed.clear();
    this.#stored.clear();
    client?.close();
  }

  #setStatus(status: ReplicaStatus): void {
    this.#status = status;
    this.#emitter.emit("status", status);
    if (this.#leads) this.#sayLeads();
  }

  #isServed(): boolean {
    return this.#status.phase === "ready" || this.#status.phase === "live";
  }

  #pass(passing: Passing): void {
    this.#say({ say: "passing", passing });
    this.#emitter.emit(passing.type, passing.event as never);
  }

  #arrive(arrival: Arrival): void {
    this.#arrivals.push(arrival);
    // It comes again by its cursor; the client connects when all of this is written.
    if (this.#arrivals.length > MAX_ARRIVALS) this.#client?.reconnect();
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  async #write(): Promise<void> {
    try {
      while (this.#arrivals.length > 0) await this.#writeBatch(this.#arrivals.splice(0, BATCH));
    } catch (error) {
      this.#storeFailed(error);
    }
  }

  async #writeBatch(batch: Arrival[]): Promise<void> {
    await this.#change(async (tables, changes) => {
      for (const arrival of batch) {
        switch (arrival.type) {
          case "entry":
            await applyEntry(tables, arrival.event, this.#me, changes);
            break;
          case "conversation":
            await applyState(tables, arrival.event, changes);
            break;
          case "removed":
            await applyRemoval(tables, arrival.event, changes);
            break;
          case "reset":
            await applyReset(tables, arrival.event.conversation, changes);
            break;
          case "receipts":
            await applyReceipts(tables, arrival.event, this.#me, changes);
            break;
        }
      }
      for (const [clientId, seq] of this.#stored) {
        if (await settle(tables, clientId, seq, changes)) this.#stored.delete(clientId);
      }
    });
    for (const arrival of batch) {
      if (arrival.type === "entry") this.#client?.delivered(arrival.event.conversation, arrival.event.seq);
      if (arrival.type === "conversation") await this.#tellMarks(arrival.event);
    }
  }

  /** What was read, or written here, while the server could not be told. */
  async #tellMarks({ conversation: { id, read, delivered } }: ConversationState): Promise<void> {
    const record = await this.conversation(id);
    if (!record) return;
    if (record.read > read) this.#client?.read(id, record.read);
    if (record.cursor > delivered) this.#client?.delivered(id, record.cursor);
  }

  async #post(command: OutboxCommand, client_id: ClientId): Promise<ClientId> {
    const { conversation } = command.fields;
    await this.#change(async (tables, changes) => {
      await tables.addToOutbox({ client_id, conversation, command, at: Date.now() });
      changes.outbox = true;
    });
    this.#poke();
    return client_id;
  }

  /** There is something in the outbox. */
  #poke(): void {
    if (this.#leads) void this.#drain();
    else this.#say({ say: "outbox" });
  }

  /** Hands what is in the outbox to the client, in order. */
  async #drain(): Promise<void> {
    this.#drainAgain = true;
    if (this.#draining) return;
    this.#draining = true;
    try {
      while (this.#drainAgain) {
        this.#drainAgain = false;
        const items = await this.outbox();
        const client = this.#client;
        if (!client || client.phase === "ended") continue;
        for (const item of items) {
          if (this.#handed.size >= HANDED) break;
          if (!item.failed && !this.#handed.has(item.client_id)) this.#hand(client, item);
        }
      }
    } catch (error) {
      this.#storeFailed(error);
    } finally {
      this.#draining = false;
    }
  }

  #hand(client: Client, { client_id, order, command }: OutboxItem): void {
    this.#handed.add(client_id);
    const retry = order <= this.#oldItems ? { retry: true } : {};
    const fields = { ...command.fields, ...retry } as Commands["send"];
    client.request(command.name as "send", fields).then(
      ({ seq }) => this.#settled(client, client_id, { seq }),
      (error) => this.#settled(client, client_id, { error }),
    );
  }

  async #settled(client: Client, id: ClientId, outcome: { seq: Seq } | { error: unknown }): Promise<void> {
    if (client !== this.#client) return;
    try {
      if ("seq" in outcome) {
        this.#stored.set(id, outcome.seq);
        await this.#change(async (tables, changes) => {
          if (await settle(tables, id, outcome.seq, changes)) this.#stored.delete(id);
        });
      } else if (outcome.error instanceof RefusedError) {
        const failed = outcome.error.error;
        await this.#change(async (tables, changes) => {
          const item = await tables.outboxItem(id);
          if (!item) return;
          await tables.putOutboxItem({ ...item, failed });
          changes.outbox = true;
        });
      } else if (!(outcome.error instanceof BusyError)) {
        // The client has ended. It stays in the outbox.
        return;
      }
      // What is stored stays handed until it is out of the outbox.
      const isOut = (await this.#store.read((tables) => tables.outboxItem(id))) === undefined;
      if (isOut || !("seq" in outcome)) this.#handed.delete(id);
    } catch (error) {
      return this.#storeFailed(error);
    }
    void this.#drain();
  }

  #gatherAvailability(): void {
    const all = [this.#availability, ...this.#availabilities.values()];
    this.#client?.setAvailability(all.includes("online") ? "online" : "away");
  }

  // What tabs say to one another.

  #say(said: Said): void {
    this.#tabs.say(said);
  }

  #sayLeads(): void {
    this.#say({ say: "leads", from: this.#tabs.id, status: this.#status });
  }

  #sayAvailability(): void {
    this.#say({ say: "availability", from: this.#tabs.id, state: this.#availability });
  }

  #hear(said: Said): void {
    if (this.#closed) return;
    switch (said.say) {
      case "changed":
        void this.#show(said.changes);
        break;
      case "passing":
        this.#emitter.emit(said.passing.type, said.passing.event as never);
        break;
      case "leads":
        if (!this.#leads) this.#heardLeader(said.from, said.status);
        break;
      case "heard":
        if (said.to === this.#tabs.id) this.#leaderTimer();
        break;
      case "answer":
        if (said.to === this.#tabs.id) this.#answered(said.id, said.outcome);
        break;
      default:
        if (this.#leads) this.#hearFollower(said);
    }
  }

  #hearFollower(
    said: Exclude<Said, { say: "changed" | "passing" | "leads" | "heard" | "answer" }>,
  ): void {
    switch (said.say) {
      case "hello":
        this.#sayLeads();
        break;
      case "outbox":
        void this.#drain();
        break;
      case "connect":
        this.connect();
        break;
      case "read":
        this.#client?.read(said.conversation, said.seq);
        break;
      case "typing":
        this.#client?.typing(said.conversation, said.typing);
        break;
      case "availability":
        this.#availabilities.set(said.from, said.state);
        this.#gatherAvailability();
        break;
      case "bye":
        this.#availabilities.delete(said.from);
        this.#gatherAvailability();
        break;
      case "ask":
        void this.#serveAsk(said);
        break;
    }
  }

  async #serveAsk({ from: to, id, command }: Extract<Said, { say: "ask" }>): Promise<void> {
    this.#say({ say: "heard", to, id });
    const client = this.#client;
    if (!client) return;
    let outcome: Outcome;
    try {
      outcome = { reply: await client.request(command.name as "ping", command.fields as never) };
    } catch (error) {
      // The next leader is asked again.
      if (client !== this.#client) return;
      outcome = error instanceof RefusedError ? { refused: error.error } : { failed: String(error) };
    }
    this.#say({ say: "answer", to, id, outcome });
  }

  #heardLeader(leader: string, status: ReplicaStatus): void {
    this.#leaderTimer();
    const isNews = JSON.stringify(status) !== JSON.stringify(this.#status);
    this.#status = status;
    if (isNews) this.#emitter.emit("status", status);
    if (leader === this.#leader) return;
    this.#leader = leader;
    this.#sayAvailability();
    for (const [id, { command }] of this.#asks) this.#ask(id, command);
  }

  #answered(id: number, outcome: Outcome): void {
    const ask = this.#asks.get(id);
    this.#asks.delete(id);
    if ("reply" in outcome) ask?.resolve(outcome.reply);
    else if ("refused" in outcome) ask?.reject(new RefusedError(outcome.refused));
    else ask?.reject(new Error(outcome.failed));
  }

  #ask(id: number, command: Command): void {
    this.#say({ say: "ask", from: this.#tabs.id, id, command });
    this.#watchLeader();
  }

  /** Somebody looks at this tab: whoever leads shall be there. */
  #seeLeader(): void {
    if (this.#leads || this.#closed) return;
    this.#say({ say: "hello" });
    this.#watchLeader();
  }

  /** A leader that does not answer in time is none. A tab that nobody looks at leaves that to others. */
  #watchLeader(): void {
    this.#leaderTimer();
    this.#leaderTimer = this.#clock.after(LEADER_PATIENCE_MS, () => {
      const isSeen = typeof document === "undefined" || document.visibilityState === "visible";
      if (isSeen && !this.#leads && !this.#closed) this.#tabs.steal();
    });
  }
}
