/**
 * A cluster in memory that keeps the protocol's promises, whatever faults it is told to have. It knows nothing of
 * sockets: a connection hears text, and says it.
 */

import {
  altered,
  type Commands,
  type ConversationState,
  type Entry,
  type Seq,
  targetOf,
} from "../../src/index.js";

/** How likely each fault is, at each occasion for it. */
export interface Faults {
  /** The connection breaks before a change is carried out. */
  loseRequest?: number;
  /** It breaks after a change was stored, before the answer. */
  loseReply?: number;
  /** A live entry is said twice. */
  double?: number;
  /** A live entry is not said. */
  skip?: number;
  /** A change that is stored is answered `unknown`, and the connection closed with 4003. */
  unknown?: number;
  unavailable?: number;
  rateLimited?: number;
  /** A page of history breaks off early. */
  shortPage?: number;
}

export const NO_FAULTS: Faults = {};

export const MANY_FAULTS: Faults = {
  loseRequest: 0.05,
  loseReply: 0.05,
  double: 0.1,
  skip: 0.05,
  unknown: 0.03,
  unavailable: 0.05,
  rateLimited: 0.05,
  shortPage: 0.2,
};

/** Where a connection's frames go. */
export interface Line {
  say(text: string): void;
  close(code: number, reason: string): void;
}

interface Log {
  kind: string;
  name?: string;
  entries: Entry[];
  members: Set<string>;
}

export class FakeCluster {
  faults: Faults = NO_FAULTS;
  readonly logs = new Map<string, Log>();
  readonly connections = new Set<FakeConnection>();
  /** Marks, by name, conversation and user. */
  readonly marks = new Map<string, Seq>();
  /** Every command that was heard, by name. */
  readonly heard: string[] = [];
  /** Every send, as it was heard. */
  readonly sends: Commands["send"][] = [];
  #time = 1_767_225_600_000;

  constructor(readonly random: () => number = Math.random) {}

  happens(fault: keyof Faults): boolean {
    return this.random() < (this.faults[fault] ?? 0);
  }

  connect(line: Line, node = "node1"): FakeConnection {
    const connection = new FakeConnection(this, line, node);
    this.connections.add(connection);
    return connection;
  }

  /** Makes a conversation, with its first entry. */
  create(id: string, members: string[], kind = "group", name?: string): void {
    if (this.logs.has(id)) return;
    this.logs.set(id, { kind, entries: [], members: new Set(), ...(name === undefined ? {} : { name }) });
    const [creator] = members as [string];
    const roles = members.map((user) => ({ user, role: user === creator ? "admin" : "member" }));
    this.append(id, creator, { created: { kind, members: roles, ...(name === undefined ? {} : { name }) } });
  }

  /** Puts an entry at the end of a log, and says it to those who follow. */
  append(id: string, sender: string, body: Entry["body"], clientId?: string): Entry {
    const log = this.logs.get(id) as Log;
    const before = log.entries.at(-1);
    const seq = log.entries.length + 1;
    this.#time += 1;
    const changesMembers = body.created || body.joined || body.left;
    const entry: Entry = {
      conversation: id,
      seq,
      sender,
      ...(clientId === undefined ? {} : { client_id: clientId }),
      lamport: seq,
      at: this.#time,
      messages: (before?.messages ?? 0) + (body.message ? 1 : 0),
      membership: changesMembers ? seq : (before?.membership ?? seq),
      body,
    };
    const added = [...(body.created?.members.map(({ user }) => user) ?? []), ...(body.joined?.users ?? [])];
    for (const user of added) log.members.add(user);
    log.entries.push(entry);
    if (body.message) this.marks.set(`read ${id} ${sender}`, seq);
    const connections = [...this.connections];
    for (const connection of connections.filter(({ user }) => added.includes(user ?? "")))
      connection.follow(id, seq - 1);
    for (const connection of connections) connection.tell(entry);
    if (body.left) {
      log.members.delete(body.left.user);
      for (const { user, streams } of connections) if (user === body.left.user) streams.delete(id);
    }
    return entry;
  }

  /** An entry as a reader of the log sees it. */
  seen(log: Log, entry: Entry): Entry {
    if (!entry.body.message) return entry;
    return log.entries.filter((other) => targetOf(other) === entry.seq).reduce(altered, entry);
  }

  state(id: string, user: string, cursor: Seq): ConversationState {
    const log = this.logs.get(id) as Log;
    const last = log.entries.at(-1) as Entry;
    const read = this.marks.get(`read ${id} ${user}`) ?? 0;
    const unread = last.messages - (log.entries[read - 1]?.messages ?? 0);
    const { kind, name } = log;
    const marks = { delivered: this.marks.get(`delivered ${id} ${user}`) ?? 0, read, unread };
    const head = log.entries.length;
    const message = log.entries.filter(({ body }) => body.message).at(-1);
    const said = message ? { last: this.seen(log, message) } : {};
    const conversation = { id, kind, role: "member", head, ...marks, ...said };
    return { cursor, conversation: { ...conversation, ...(name === undefined ? {} : { name }) } };
  }
}

export class FakeConnection {
  user: string | undefined;
  readonly streams = new Set<string>();
  #isOver = false;

  constructor(
    readonly cluster: FakeCluster,
    readonly line: Line,
    readonly node: string,
  ) {}

  /** The client has gone. */
  gone(): void {
    this.#isOver = true;
    this.cluster.connections.delete(this);
  }

  close(code: number, reason = ""): void {
    if (this.#isOver) return;
    this.gone();
    this.line.close(code, reason);
  }

  follow(id: string, cursor: Seq): void {
    this.streams.add(id);
    this.#event("conversation", this.cluster.state(id, this.user as string, cursor));
  }

  /** A live entry. */
  tell(entry: Entry): void {
    if (!this.streams.has(entry.conversation) || this.cluster.happens("skip")) return;
    this.#event("entry", entry);
    if (this.cluster.happens("double")) this.#event("entry", entry);
  }

  hear(text: string): void {
    if (this.#isOver) return;
    const { id, ...rest } = JSON.parse(text) as { id: number } & Partial<Commands>;
    const [name, fields] = Object.entries(rest)[0] as [keyof Commands, never];
    this.cluster.heard.push(name);
    const changes = ["send", "edit", "delete", "react", "create", "leave", "join", "add"].includes(name);
    if (name !== "auth" && this.user === undefined) return this.close(4200);
    if (changes && this.cluster.happens("loseRequest")) return this.close(1006);
    if (changes && this.cluster.happens("rateLimited")) return this.#refuse(id, "rate_limited", 50);
    if (changes && this.cluster.happens("unavailable")) {
      this.#refuse(id, "unavailable");
      return this.close(4003);
    }
    const answer = this.#carryOut(name, fields);
    if (changes && this.cluster.happens("loseReply")) return this.close(1006);
    if (changes && this.cluster.happens("unknown")) {
      this.#refuse(id, "unknown");
      return this.close(4003);
    }
    if (typeof answer === "string") this.#refuse(id, answer);
    else this.#say({ id, ok: answer });
  }

  /** The reply, or the code of a refusal. */
  #carryOut(name: keyof Commands, fields: never): object | string {
    const { logs, marks } = this.cluster;
    switch (name) {
      case "auth": {
        const { token } = fields as Commands["auth"];
        if (token.startsWith("bad")) {
          queueMicrotask(() => this.close(4200));
          return "unauthenticated";
        }
        this.user = token;
        this.#event("ready", { user: token, node: this.node, connection: "x", heartbeat_ms: 25_000 });
        return { done: {} };
      }
      case "sync":
        return this.#sync((fields as Commands["sync"]).cursors ?? {});
      case "create": {
        const { kind, members = [], name, client_id } = fields as Commands["create"];
        const all = [this.user as string, ...members];
        const id = kind === "direct" ? `d.${[...all].sort().join("-")}` : `g.${client_id}`;
        this.cluster.create(id, all, kind, name);
        return { conversation: this.cluster.state(id, this.user as string, 0).conversation };
      }
      case "send": {
        const { conversation, client_id, text, kind, reply_to } = fields as Commands["send"];
        this.cluster.sends.push(fields);
        const message = { text, ...(kind ? { kind } : {}), ...(reply_to ? { reply_to } : {}) };
        return this.#append(conversation, client_id, { message });
      }
      case "edit": {
        const { conversation, client_id, seq, text } = fields as Commands["edit"];
        return this.#append(conversation, client_id, { edited: { target: seq, text } });
      }
      case "delete": {
        const { conversation, client_id, seq } = fields as Commands["delete"];
        return this.#append(conversation, client_id, { deleted: { target: seq } });
      }
      case "react": {
        const { conversation, client_id, seq, emoji, removed } = fields as Commands["react"];
        return this.#append(conversation, client_id, {
          reacted: { target: seq, emoji, removed: removed === true },
        });
      }
      case "leave": {
        const { conversation } = fields as Commands["leave"];
        return this.#append(conversation, undefined, { left: { user: this.user as string } });
      }
      case "history":
        return this.#history(fields);
      case "delivered":
      case "read": {
        const { conversation, seq } = fields as Commands["read"];
        const key = `${name} ${conversation} ${this.user}`;
        if (seq > (logs.get(conversation)?.entries.length ?? 0)) return "cursor_ahead";
        marks.set(key, Math.max(seq, marks.get(key) ?? 0));
        return { done: {} };
      }
      case "typing": {
        const { conversation, typing } = fields as Commands["typing"];
        for (const other of this.cluster.connections) {
          if (other.user !== this.user && other.streams.has(conversation)) {
            other.#event("typing", { conversation, user: this.user, typing });
          }
        }
        return { done: {} };
      }
      case "presence":
        return { done: {} };
      case "presences": {
        const { users } = fields as Commands["presences"];
        return { presences: { presences: users.map((user) => ({ user, state: "online" })) } };
      }
      case "ping":
        return { pong: { at: 1 } };
      default:
        return "unknown_command";
    }
  }

  #append(id: string, clientId: string | undefined, body: Entry["body"]): object | string {
    const log = this.cluster.logs.get(id);
    if (!log) return "unknown_conversation";
    if (!log.members.has(this.user as string)) return "not_a_member";
    const known = log.entries.find(
      (entry) => clientId && entry.sender === this.user && entry.client_id === clientId,
    );
    const { seq, lamport, at } = known ?? this.cluster.append(id, this.user as string, body, clientId);
    return { sent: { conversation: id, seq, lamport, at, ...(clientId ? { client_id: clientId } : {}) } };
  }

  #sync(cursors: Record<string, Seq>): object {
    const refused: Record<string, object> = {};
    for (const [id, cursor] of Object.entries(cursors)) {
      const log = this.cluster.logs.get(id);
      const code = !log
        ? "unknown_conversation"
        : !log.members.has(this.user as string)
          ? "not_a_member"
          : cursor > log.entries.length
            ? "cursor_ahead"
            : undefined;
      if (code) refused[id] = { code, message: code };
    }
    for (const [id, log] of this.cluster.logs) {
      const isNamed = id in cursors;
      if (!log.members.has(this.user as string) || id in refused || (this.streams.has(id) && !isNamed))
        continue;
      const head = log.entries.length;
      const delivered = this.cluster.marks.get(`delivered ${id} ${this.user}`) ?? 0;
      const cursor = cursors[id] ?? Math.max(delivered, head - 1_000);
      this.follow(id, cursor);
      for (const entry of log.entries.slice(cursor)) this.#event("entry", this.cluster.seen(log, entry));
    }
    return { synced: { conversations: this.streams.size, refused } };
  }

  #history({ conversation, before, after, limit = 50 }: Commands["history"]): object | string {
    const log = this.cluster.logs.get(conversation);
    if (!log) return "unknown_conversation";
    const isMember = log.members.has(this.user as string);
    const removals = log.entries.filter(({ body }) => body.left?.user === this.user);
    const end = isMember ? log.entries.length : (removals.at(-1)?.seq ?? 0);
    if (end === 0) return "not_a_member";
    const size = this.cluster.happens("shortPage") ? 1 + Math.floor(this.cluster.random() * limit) : limit;
    const start = after ?? Math.max(0, Math.min(end, (before ?? end + 1) - 1) - size);
    const stop = after === undefined ? Math.min(end, (before ?? end + 1) - 1) : Math.min(end, after + size);
    const entries = log.entries.slice(start, stop).map((entry) => this.cluster.seen(log, entry));
    return { history: { entries, more: after === undefined ? start > 0 : stop < end } };
  }

  #refuse(id: number, code: string, retry_after_ms?: number): void {
    this.#say({
      id,
      error: { code, message: code, ...(retry_after_ms === undefined ? {} : { retry_after_ms }) },
    });
  }

  #event(type: string, event: unknown): void {
    this.#say({ [type]: event });
  }

  #say(frame: object): void {
    if (!this.#isOver) this.line.say(JSON.stringify(frame));
  }
}
