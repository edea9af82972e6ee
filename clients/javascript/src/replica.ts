/**
 * What a user has of his conversations on this device: there at once and without a network, and kept up by a
 * {@link Client} whenever there is one.
 *
 * Constraints: what comes in is in the store before anybody is told. What is said is in the store before `send`
 * returns, and leaves in the order in which it was said, under the client id that it was given then.
 */

import { Asks, outcomeOf } from "./asks.js";
import { Client, type ClientOptions, type Phase } from "./client.js";
import { newClientId, withClientId } from "./client_id.js";
import { systemClock, type Clock } from "./clock.js";
import { Emitter, type Listener } from "./emitter.js";
import { EndedError, type EndReason } from "./errors.js";
import {
  applyEntry,
  applyHidden,
  applyReceipts,
  applyRemoval,
  applyReset,
  applyState,
  type Changes,
  markRead,
  noChanges,
  prepend,
} from "./local_log.js";
import { OutboxSender } from "./outbox.js";
import type {
  ClientId,
  Command,
  CommandName,
  Commands,
  ConversationId,
  ConversationState,
  Entry,
  Hidden,
  MessageKind,
  Presence,
  ReceiptsChange,
  ReplyTo,
  Seq,
  TypingChange,
  UserId,
} from "./protocol.js";
import { LIMITS } from "./protocol.js";
import type { Availability, ByFollower, Outcome, Passing, Said } from "./said.js";
import { Showing } from "./showing.js";
import type { ConversationRecord, Durability, OutboxCommand, OutboxItem, Store, Tables } from "./store.js";
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

/** What is written to the store in the order in which it came. */
type Arrival = Passed | { type: "receipts"; event: ReceiptsChange } | { type: "hidden"; event: Hidden };

/** Arrivals that are written in one transaction. */
const BATCH = 500;
/** Arrivals that may wait for the store. With more, the connection is dropped until they are written. */
export const MAX_ARRIVALS = 10_000;
/** For the leader to answer. */
const LEADER_PATIENCE_MS = 3_000;
/** A leader that was there so long ago may have been frozen since, and says nothing of it. */
const LEADER_LOOK_MS = 5_000;
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

  readonly #showing: Showing;
  readonly #asks: Asks;
  /** The tab that leads, as far as this one has heard. */
  #leader: string | undefined;
  #leaderTimer: () => void = () => undefined;
  #availability: Availability = "online";

  /** Only while this tab leads. */
  #leads = false;
  #client: Client | undefined;
  #arrivals: Arrival[] = [];
  #writing: Promise<void> | undefined;
  readonly #sender: OutboxSender;
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
    const storeFailed = (error: unknown) => this.#storeFailed(error);
    this.#showing = new Showing(this.#store, this.#emitter, storeFailed);
    this.#sender = new OutboxSender(this.#store, this.#clock, (work) => this.#change(work), storeFailed);
    this.#asks = new Asks((id, command) => {
      this.#say({ say: "ask", from: this.#tabs.id, id, command });
      this.#watchLeader();
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
    this.#showing.begin(records);
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
  react(
    conversation: ConversationId,
    seq: Seq,
    emoji: string,
    how: "add" | "remove" = "add",
  ): Promise<ClientId> {
    const client_id = newClientId();
    const removed = how === "remove" ? { removed: true } : {};
    return this.#post(
      { name: "react", fields: { conversation, seq, emoji, client_id, ...removed } },
      client_id,
    );
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
    return this.#asks.ask(command) as Promise<ReplyTo<Name>>;
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
    this.#asks.fail(new EndedError("closed", "the replica is closed"));
    // What is being written may end.
    void Promise.allSettled([this.#writing, this.#showing.done()]).then(() => this.#store.close());
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
    work: (tables: Tables, changes: Changes) => Promise<Result>,
    durability?: Durability,
  ): Promise<Result> {
    const changes = noChanges();
    const result = await this.#store.write((tables) => work(tables, changes), durability);
    this.#say({ say: "changed", changes });
    await this.#showing.show(changes);
    return result;
  }

  #storeFailed(error: unknown): void {
    if (this.#closed || this.#status.ended?.reason === "store") return;
    this.#stopClient();
    // The next tab may fare better.
    this.#leads = false;
    this.#leaderTimer();
    this.#tabs.close();
    this.#setStatus({ phase: "ended", ended: { reason: "store", message: String(error) } });
    this.#asks.fail(new EndedError("store", String(error)));
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
    for (const type of ["entry", "conversation", "removed", "reset", "receipts", "hidden"] as const) {
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
    this.#sender.start(client, begun.items);
    this.#asks.handTo(client);
  }

  #stopClient(): void {
    const client = this.#client;
    this.#client = undefined;
    this.#arrivals = [];
    this.#sender.stop();
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
          case "hidden":
            await applyHidden(tables, arrival.event, changes);
            break;
        }
      }
      await this.#sender.grown(tables, changes);
    });
    this.#sender.written();
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
    }, "strict");
    this.#poke();
    return client_id;
  }

  /** There is something in the outbox. */
  #poke(): void {
    if (this.#leads) return void this.#sender.drain();
    this.#say({ say: "outbox" });
    this.#seeLeader();
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
        void this.#showing.show(said.changes);
        break;
      case "passing":
        this.#emitter.emit(said.passing.type, said.passing.event as never);
        break;
      case "leads":
        if (!this.#leads) this.#heardLeader(said.from, said.status);
        break;
      case "heard":
        if (said.to === this.#tabs.id) this.#leaderIsThere();
        break;
      case "answer":
        if (said.to === this.#tabs.id) this.#asks.answered(said.id, said.outcome);
        break;
      default:
        if (this.#leads) this.#hearFollower(said);
    }
  }

  #hearFollower(said: ByFollower): void {
    switch (said.say) {
      case "hello":
        this.#sayLeads();
        break;
      case "outbox":
        void this.#sender.drain();
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

  async #serveAsk({ from: to, id, command }: Extract<ByFollower, { say: "ask" }>): Promise<void> {
    this.#say({ say: "heard", to });
    let outcome: Outcome;
    try {
      outcome = { reply: await this.request(command.name as "ping", command.fields as never) };
    } catch (error) {
      // The next leader is asked again.
      if (!this.#leads) return;
      outcome = outcomeOf(error);
    }
    this.#say({ say: "answer", to, id, outcome });
  }

  #heardLeader(leader: string, status: ReplicaStatus): void {
    this.#leaderIsThere();
    const isNews = JSON.stringify(status) !== JSON.stringify(this.#status);
    this.#status = status;
    if (isNews) this.#emitter.emit("status", status);
    if (leader === this.#leader) return;
    this.#leader = leader;
    this.#sayAvailability();
    this.#asks.askAgain();
  }

  /** Somebody looks at this tab: whoever leads shall be there. */
  #seeLeader(): void {
    if (this.#leads || this.#closed) return;
    this.#say({ say: "hello" });
    this.#watchLeader();
  }

  /** It is looked for again in a while: what it does not write, nobody else shows. */
  #leaderIsThere(): void {
    this.#leaderTimer();
    this.#leaderTimer = this.#clock.after(LEADER_LOOK_MS, () => {
      if (isSeen()) this.#seeLeader();
    });
  }

  /** A leader that does not answer in time is none. A tab that nobody looks at leaves that to others. */
  #watchLeader(): void {
    this.#leaderTimer();
    this.#leaderTimer = this.#clock.after(LEADER_PATIENCE_MS, () => {
      if (isSeen() && !this.#leads && !this.#closed) this.#tabs.steal();
    });
  }
}

/** Whether somebody looks at this tab, as far as one can tell. */
function isSeen(): boolean {
  return typeof document === "undefined" || document.visibilityState === "visible";
}
