/** All that the page knows of one user's conversations: the replica's store as signals, and what is of the moment. */

import { batch, computed, signal } from "@preact/signals";
import {
  type ConversationRecord,
  type Entry,
  IndexedDbStore,
  type OutboxItem,
  type Presence,
  Replica,
  type ReplicaStatus,
} from "starling-client";

import { AskNow } from "./ask_now.js";
import { Drafts } from "./drafts.js";
import { Api } from "./http.js";
import { Kept } from "./kept.js";
import { People } from "./people.js";
import { accessToken, distrust, forgetSession } from "./session.js";
import { Typists } from "./typing.js";

/** Users in one question. */
const PRESENCES = 100;

export class Chat {
  readonly replica: Replica;
  readonly askNow: AskNow;
  readonly api: Api;
  readonly kept: Kept;
  readonly people: People;
  readonly drafts: Drafts;
  readonly typists = new Typists();
  readonly records = signal<ReadonlyMap<string, ConversationRecord>>(new Map());
  readonly status = signal<ReplicaStatus>({ phase: "away" });
  readonly outbox = signal<readonly OutboxItem[]>([]);
  readonly presences = signal<ReadonlyMap<string, Presence>>(new Map());
  /** The other one of each direct conversation, as far as known. */
  readonly peers = signal<Readonly<Record<string, string>>>({});
  readonly #peersAsked = new Set<string>();
  readonly #ends: (() => void)[] = [];

  /** What the list shows: those with the latest messages first. */
  readonly list = computed(() =>
    [...this.records.value.values()].filter(({ hidden, member }) => member && !hidden).sort(byTime),
  );
  readonly unread = computed(() => this.list.value.reduce((sum, { unread }) => sum + unread, 0));

  private constructor(
    readonly me: string,
    readonly storeName: string,
    replica: Replica,
    api: Api,
    kept: Kept,
  ) {
    this.replica = replica;
    this.askNow = new AskNow(replica);
    this.api = api;
    this.kept = kept;
    this.people = new People(api, kept);
    this.drafts = new Drafts(kept);
    this.peers.value = kept.get<Record<string, string>>("peers") ?? {};
    this.status.value = replica.status;
  }

  /** Opens what is on this device, and begins to connect. */
  static async open(me: string): Promise<Chat> {
    const storeName = `starling-${me}`;
    const url = new URL("/ws", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const replica = await Replica.open({
      url: url.href,
      user: me,
      token: tokens(me),
      store: await IndexedDbStore.open(storeName),
    });
    const chat = new Chat(me, storeName, replica, new Api(me), new Kept(me));
    await chat.#begin();
    return chat;
  }

  async #begin(): Promise<void> {
    const { replica } = this;
    this.#ends.push(
      replica.on("status", (status) => this.#statusChanged(status)),
      replica.on("conversation", (record) => {
        this.records.value = new Map(this.records.value).set(record.id, record);
        this.#learnPeer(record);
      }),
      replica.on("reset", ({ conversation }) => {
        const records = new Map(this.records.value);
        records.delete(conversation);
        this.records.value = records;
      }),
      replica.on("entries", ({ entries }) => {
        for (const entry of entries) if (entry.body.message) this.typists.said(entry);
      }),
      replica.on("outbox", () => void this.#readOutbox()),
      replica.on("typing", ({ conversation, user, typing }) =>
        this.typists.heard(conversation, user, typing),
      ),
      replica.on("presence", (presence) => this.#learnPresences([presence])),
    );
    const seen = () => replica.setAvailability(document.visibilityState === "visible" ? "online" : "away");
    document.addEventListener("visibilitychange", seen);
    this.#ends.push(() => document.removeEventListener("visibilitychange", seen));
    seen();
    const records = await replica.conversations();
    this.records.value = new Map(records.map((record) => [record.id, record]));
    await this.#readOutbox();
    for (const record of records) this.#learnPeer(record);
    this.#statusChanged(replica.status);
  }

  /** What to call a conversation. */
  title(record: ConversationRecord): string {
    if (record.kind !== "direct") return record.name ?? "Unnamed conversation";
    const peer = this.peers.value[record.id];
    return peer === undefined ? "Direct conversation" : this.people.name(peer);
  }

  presence(user: string | undefined): Presence | undefined {
    return user === undefined ? undefined : this.presences.value.get(user);
  }

  /** Asks for presences that are not known. */
  async askPresences(users: readonly string[]): Promise<void> {
    for (let from = 0; from < users.length; from += PRESENCES) {
      const some = users.slice(from, from + PRESENCES);
      const { presences } = await this.askNow.ask("presences", { users: some });
      this.#learnPresences(presences);
    }
  }

  /** The direct conversation with someone: there at once where there is one. */
  async direct(user: string): Promise<string> {
    const found = Object.entries(this.peers.value).find(
      ([id, peer]) => peer === user && this.records.value.get(id)?.member,
    );
    if (found && !this.records.value.get(found[0])?.hidden) return found[0];
    const { id } = await this.askNow.change("create", { kind: "direct", members: [user] });
    this.#setPeer(id, user);
    return id;
  }

  /** Ends the session here, and forgets all that is on this device. What is not sent is lost. */
  async signOut(everywhere: boolean): Promise<void> {
    await this.api.signOut(everywhere).catch(() => undefined);
    this.close();
    forgetSession();
    this.kept.clear();
    await IndexedDbStore.remove(this.storeName);
  }

  close(): void {
    for (const end of this.#ends) end();
    this.drafts.end();
    this.people.close();
    this.typists.clear();
    this.replica.close();
  }

  #statusChanged(status: ReplicaStatus): void {
    const before = this.status.value.phase;
    batch(() => {
      this.status.value = status;
      if (status.phase === "live" && before !== "live") this.#live();
      if (status.phase === "away" || status.phase === "ended") {
        this.people.pause();
        this.typists.clear();
        this.presences.value = new Map();
        this.#peersAsked.clear();
      }
    });
  }

  /** All is streamed; what is of the moment has to be asked for. */
  #live(): void {
    this.people.refresh().catch(() => undefined);
    for (const record of this.records.value.values()) this.#learnPeer(record);
    const peers = [...new Set([this.me, ...Object.values(this.peers.value)])];
    this.askPresences(peers).catch(() => undefined);
  }

  async #readOutbox(): Promise<void> {
    this.outbox.value = await this.replica.outbox();
  }

  #learnPresences(presences: readonly Presence[]): void {
    const known = new Map(this.presences.value);
    for (const presence of presences) known.set(presence.user, presence);
    this.presences.value = known;
  }

  #setPeer(id: string, user: string): void {
    if (this.peers.value[id] === user) return;
    this.peers.value = { ...this.peers.value, [id]: user };
    this.kept.set("peers", this.peers.value);
    this.askPresences([user]).catch(() => undefined);
  }

  /** A direct conversation's first entry says who the other one is. */
  #learnPeer({ id, kind }: ConversationRecord): void {
    if (kind !== "direct" || this.peers.value[id] !== undefined || this.#peersAsked.has(id)) return;
    this.#peersAsked.add(id);
    this.#firstEntry(id).then(
      (entry) => {
        const peer = entry?.body.created?.members.find(({ user }) => user !== this.me);
        if (!peer) return void this.#peersAsked.delete(id);
        this.#setPeer(id, peer.user);
      },
      () => this.#peersAsked.delete(id),
    );
  }

  async #firstEntry(conversation: string): Promise<Entry | undefined> {
    const stored = await this.replica.entry(conversation, 1);
    if (stored) return stored;
    const { entries } = await this.askNow.ask("history", { conversation, after: 0, limit: 1 });
    return entries[0];
  }
}

/** What the connection asks for tokens: whenever it asks again, the last one was refused, however good it seems to be. */
function tokens(me: string): () => Promise<string> {
  let given: string | undefined;
  return async () => {
    let token = await accessToken(me);
    if (token === given) {
      distrust(token);
      token = await accessToken(me);
    }
    given = token;
    return token;
  };
}

function byTime(a: ConversationRecord, b: ConversationRecord): number {
  return (b.last?.at ?? 0) - (a.last?.at ?? 0) || (a.id < b.id ? -1 : 1);
}
