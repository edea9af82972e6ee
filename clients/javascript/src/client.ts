/**
 * A user's connection to the cluster, over whichever node: connects, resumes, sends, receives, and starts over.
 *
 * Constraint: everything happens in turns of the event loop; what a listener calls takes effect after it returns.
 */

import { Backoff, type Pause } from "./backoff.js";
import { newClientId, withClientId } from "./client_id.js";
import { type Clock, systemClock } from "./clock.js";
import { CLOSE, reconnectAfter } from "./closing.js";
import { Connection, type Closed, type WebSocketConstructor } from "./connection.js";
import { Emitter, type Listener } from "./emitter.js";
import { BusyError, EndedError, type EndReason, RefusedError } from "./errors.js";
import { decode, encode, frameBytes, isEntry } from "./frame.js";
import { Marks, type Mark } from "./marks.js";
import { type Answer, Pending, type PendingCounters } from "./pending.js";
import type {
  Command,
  CommandName,
  Commands,
  ConversationId,
  ConversationState,
  ConversationSummary,
  Entry,
  Hidden,
  HistoryPage,
  Presence,
  Ready,
  ReceiptsChange,
  Replies,
  ReplyTo,
  Sent,
  Seq,
  ServerError,
  ServerEvents,
  Synced,
  TypingChange,
  UserId,
} from "./protocol.js";
import { LIMITS, REPLY_TO } from "./protocol.js";
import { type Asked, Session } from "./session.js";
import { type Passed, type Removed, type StreamCounters, Streams } from "./streams.js";
import { type Choice, type TokenProvider, TokenSource } from "./token.js";
import { onWake } from "./wake.js";

export interface ClientOptions {
  /**
   * `ws://host:port/ws`, or several of them: the first one is tried first, and at every reconnect comes the turn of
   * the next.
   */
  url: string | readonly string[];
  /**
   * A JWT, or what gives one. It is said in the first frame, never in a URL. A provider is asked again when the
   * server refuses the token or it has expired; the client ends when it then gives the same one. When the provider
   * fails, it is asked again later.
   */
  token: string | TokenProvider;
  /**
   * Where an earlier client left off, as {@link Client.cursors} told. A conversation without a cursor starts where
   * the server says: with what waits for this user, or at its head.
   */
  cursors?: Record<ConversationId, Seq>;
  /** Those of them that this user is no member of any more: nothing is asked about them. */
  former?: readonly ConversationId[];
  /**
   * Gives up any command that has no definite answer after so many milliseconds, with a `DeadlineError`. Without it
   * the client tries until it is closed.
   */
  deadlineMs?: number;
  /**
   * `on_receipt`, if not given: what the listeners of `entry` were given is marked as delivered, at most once a
   * second for each conversation. `manual`: only what {@link Client.delivered} says.
   */
  deliveredMarks?: "on_receipt" | "manual";
  /** Which WebSocket to use, where there is no global one (Node before 22): that of the package `ws` will do. */
  WebSocket?: WebSocketConstructor;
  /**
   * Awaited before each attempt to connect, for an application that must first deal with what it has. Where it
   * rejects, it is asked again later.
   */
  beforeConnect?: () => Promise<void>;
  /** For tests. */
  clock?: Clock;
}

/** What happens, in the order in which the application should apply it. */
export interface ClientEvents {
  /** The next entry of its conversation: exactly the cursor + 1, never skipped, never twice (I4). */
  entry: Entry;
  /**
   * A conversation's state when its stream started on this connection. Its `cursor` is this client's: the next entry
   * is `cursor` + 1. Comes again after every reconnect.
   */
  conversation: ConversationState;
  /** This user is no member of the conversation any more. Its entries up to the removal came before this. */
  removed: Removed;
  /** The cluster has another log of this conversation than ours: what is kept of it must go, and it starts anew. */
  reset: { conversation: ConversationId };
  /** Members' marks have moved. None is replayed after a reconnect (the command `receipts` lists them). */
  receipts: ReceiptsChange;
  /** Another member types, or has stopped. When the connection ends, nobody is known to type. */
  typing: TypingChange;
  /** Somebody has come, gone, or says something else about himself. Not replayed (`presences` asks). */
  presence: Presence;
  /** This user has hidden a conversation, on whichever device. Not replayed: the conversation's state says it. */
  hidden: Hidden;
  /** A node has taken the connection. */
  connected: Ready;
  /** All conversations are live on this connection. */
  live: Synced;
  /** The connection ended. The client connects again by itself, unless `ended` follows. */
  disconnected: { code: number; reason: string };
  /** An event that this version of the library does not know. */
  unknown: { type: string };
  /** The client has ended, for good. */
  ended: EndedError;
}

/** `away`: no node serves the client. `ready`: one does. `live`: and all conversations are streamed. */
export type Phase = "away" | "ready" | "live" | "ended";

/** What a client has been through since it was made. */
export interface Stats extends StreamCounters, PendingCounters {
  /** Connections that a node has taken, the first among them. */
  connections: number;
}

/** Commands that are under way at a time. */
const WINDOW = 64;
/** Commands without an answer that are kept. */
const ROOM = 1_024;

export class Client {
  readonly #options: ClientOptions;
  readonly #urls: readonly string[];
  readonly #WebSocket: WebSocketConstructor;
  readonly #clock: Clock;
  readonly #emitter = new Emitter<ClientEvents>();
  readonly #token: TokenSource;
  readonly #streams: Streams;
  readonly #pending = new Pending(WINDOW, ROOM);
  readonly #marks = new Marks();
  readonly #backoff: Backoff;
  #session: Session | undefined;
  #connection: Connection | undefined;
  #phase: Phase = "away";
  #started = false;
  #ended: EndedError | undefined;
  #user: UserId | undefined;
  #node: string | undefined;
  #availability: "online" | "away" = "online";
  /** Never used twice by a client, on whichever connection. */
  #nextId = 1;
  #urlTurn = 0;
  #connections = 0;
  #turnQueued = false;
  #cancelTimer: () => void = () => undefined;
  /** Ends a pause between two attempts to connect. */
  #endPause: () => void = () => undefined;
  /** Ends the service of a connection that the application has closed. */
  #endService: () => void = () => undefined;
  #endWake: () => void = () => undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#urls = typeof options.url === "string" ? [options.url] : options.url;
    if (this.#urls.length === 0) throw new TypeError("no URL to connect to");
    for (const url of this.#urls) checkUrl(url);
    this.#WebSocket = options.WebSocket ?? globalWebSocket();
    this.#clock = options.clock ?? systemClock;
    this.#token = new TokenSource(options.token);
    this.#backoff = new Backoff(this.#urls.length);
    this.#streams = new Streams(options.cursors ?? {}, (passed) => this.#pass(passed), options.former);
  }

  /** Begins to connect. Listen first. */
  start(): this {
    if (this.#started) return this;
    this.#started = true;
    this.#endWake = onWake(() => this.wake());
    void this.#run();
    return this;
  }

  /** Calls `listener` for each event of this type; returns what ends that. */
  on<Type extends keyof ClientEvents>(type: Type, listener: Listener<ClientEvents[Type]>): () => void {
    return this.#emitter.on(type, listener);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Whose client this is; known from the first connection on. */
  get user(): UserId | undefined {
    return this.#user;
  }

  /** The node that serves this client now. */
  get node(): string | undefined {
    return this.#node;
  }

  get stats(): Stats {
    return { connections: this.#connections, ...this.#streams.counters, ...this.#pending.counters };
  }

  /** For each conversation the seq of the last entry that was passed on. A client made with them goes on there. */
  cursors(): Record<ConversationId, Seq> {
    return this.#streams.cursors();
  }

  /** Resolves when a node has the client, and at once if one has it now. */
  connected(): Promise<void> {
    return this.#reach(["ready", "live"], "connected");
  }

  /** Resolves when all conversations are live, and at once if they are now. */
  live(): Promise<void> {
    return this.#reach(["live"], "live");
  }

  /**
   * Says `text`, and waits for a definite answer: across reconnects, "unknown", "unavailable" and rate limits the
   * client sends again by itself, under the same client id. What is sent first is stored first.
   */
  send(
    conversation: ConversationId,
    text: string,
    more: Pick<Commands["send"], "kind" | "reply_to" | "lamport"> & { client_id?: string } = {},
  ): Promise<Sent> {
    return this.request("send", { conversation, text, client_id: newClientId(), ...more });
  }

  /** Changes what this user said. */
  edit(conversation: ConversationId, seq: Seq, text: string): Promise<Sent> {
    return this.request("edit", { conversation, seq, text });
  }

  /** Takes back what this user said, or as a moderator what another said. */
  delete(conversation: ConversationId, seq: Seq): Promise<Sent> {
    return this.request("delete", { conversation, seq });
  }

  /** Reacts to a message, or takes that back. */
  react(conversation: ConversationId, seq: Seq, emoji: string, how: "add" | "remove" = "add"): Promise<Sent> {
    const removed = how === "remove" ? { removed: true } : {};
    return this.request("react", { conversation, seq, emoji, ...removed });
  }

  /** Makes, or finds, the direct conversation with another user. */
  createDirect(other: UserId): Promise<ConversationSummary> {
    return this.request("create", { kind: "direct", members: [other] });
  }

  /** Makes a group of this user and others. */
  createGroup(members: UserId[], more: { name?: string; open?: boolean } = {}): Promise<ConversationSummary> {
    return this.request("create", { kind: "group", members, ...more });
  }

  /** A page of a conversation's log, apart from the stream of events. */
  history(
    conversation: ConversationId,
    where: Omit<Commands["history"], "conversation"> = {},
  ): Promise<HistoryPage> {
    return this.request("history", { conversation, ...where });
  }

  /**
   * Marks everything up to `seq` as delivered to this user. Told to the server when it can be, at most once a second
   * for each conversation, and again until it is answered.
   */
  delivered(conversation: ConversationId, seq: Seq): void {
    this.#mark({ name: "delivered", conversation, seq });
  }

  /** Marks everything up to `seq` as read by this user. Told to the server as {@link delivered} is. */
  read(conversation: ConversationId, seq: Seq): void {
    this.#mark({ name: "read", conversation, seq });
  }

  /**
   * Tells the other members that this user types, or has stopped. Say so again every few seconds while he does. What
   * cannot be told now is not told.
   */
  typing(conversation: ConversationId, typing: boolean): void {
    this.#say({ name: "typing", fields: { conversation, typing } });
  }

  /** Says whether somebody looks at this device. Said again on every connection. */
  setAvailability(state: "online" | "away"): void {
    this.#availability = state;
    this.#queueTurn();
  }

  /**
   * Any command but `auth` and `sync`, which the client carries out by itself. Across reconnects it is asked again,
   * until there is a definite answer. Commands that append to a log get a client id if they have none.
   *
   * Rejects with a `RefusedError`, a `DeadlineError`, a `BusyError`, or the `EndedError` that ended the client.
   */
  request<Name extends Exclude<CommandName, "auth" | "sync">>(
    name: Name,
    fields: Commands[Name],
  ): Promise<ReplyTo<Name>> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (!this.#pending.hasRoom()) return Promise.reject(new BusyError());
    const command = { name, fields: withClientId(name, { ...fields }) } as Command;
    if (frameBytes(command.name, { ...command.fields, retry: true } as never) > LIMITS.frameBytes) {
      // The server would close the connection, for the first try or for the one that is marked as a retry.
      const message = `a frame holds at most ${LIMITS.frameBytes} bytes`;
      return Promise.reject(new RefusedError({ code: "too_large", message }));
    }
    const deadline = this.#options.deadlineMs;
    return new Promise((resolve, reject) => {
      const respond = {
        reject,
        resolve: (ok: Partial<Replies>) => {
          const reply = ok[REPLY_TO[name]];
          if (reply === undefined) reject(new Error(`an answer to another question than ${name}`));
          else resolve(reply as ReplyTo<Name>);
        },
      };
      const until = deadline === undefined ? undefined : this.#clock.now() + deadline;
      this.#pending.push(this.#newId(), command, respond, until);
      this.#queueTurn();
    });
  }

  /** The network, or somebody who looks, may be back: connects now, or sees whether the node is still there. */
  wake(): void {
    this.#endPause();
    if (this.#session?.maySend()) this.#session.check(this.#clock.now());
    this.#queueTurn();
  }

  /** Drops the connection, as a network that breaks would, and connects to the next URL. */
  reconnect(): void {
    this.#connection?.abandon("dropped by the application");
    this.#endPause();
  }

  /** Ends the client: unanswered commands fail, and the server is told goodbye. */
  close(): void {
    this.#end("closed", "the client is closed");
  }

  async #run(): Promise<void> {
    let pause: Pause | undefined;
    for (;;) {
      if (pause) await this.#pause(this.#backoff.delay(pause, this.#clock.random()));
      if (this.#ended) return;
      const choice = await this.#prepare();
      if (this.#ended) return;
      if (choice === "exhausted") return this.#end("unauthenticated", "the server refused the token");
      if (choice === "failed") {
        pause = "later";
        continue;
      }
      const closed = await this.#serve(choice.token);
      if (this.#ended) return;
      if (!closed.opened) {
        pause = "soon";
        continue;
      }
      pause = this.#afterClose(closed);
      if (!pause) return;
    }
  }

  async #prepare(): Promise<Choice> {
    try {
      await this.#options.beforeConnect?.();
    } catch {
      return "failed";
    }
    return this.#token.choose();
  }

  /** How soon to connect again, if at all. */
  #afterClose({ code, reason }: Closed): Pause | undefined {
    const reconnect = reconnectAfter(code);
    if (reconnect !== "never") return reconnect;
    const isTokens = code === CLOSE.unauthenticated || code === CLOSE.tokenExpired;
    if (isTokens && this.#token.refused()) return "now";
    const why: EndReason = code === CLOSE.signedOut ? "signed_out" : isTokens ? "unauthenticated" : "refused";
    this.#end(why, `the server closed for good: ${reason} (${code})`, code);
    return undefined;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Serves one connection until it ends. */
  #serve(token: string): Promise<Closed> {
    const url = this.#urls[this.#urlTurn % this.#urls.length] as string;
    this.#urlTurn += 1;
    const session = new Session(this.#clock.now(), () => this.#clock.random());
    this.#session = session;
    return new Promise((resolve) => {
      const closed = (closed: Closed) => {
        this.#endService = () => undefined;
        if (session.wasGood(this.#clock.now())) this.#backoff.succeeded();
        this.#disconnected(closed);
        resolve(closed);
      };
      this.#endService = () => {
        this.#connection?.leave();
        closed({ code: CLOSE.goodbye, reason: "", opened: true });
      };
      try {
        this.#connection = new Connection(this.#WebSocket, url, {
          opened: () => this.#command(session, { name: "auth", fields: { token } }, { what: "aside" }),
          heard: (data) => this.#hear(session, data),
          closed,
        });
      } catch (error) {
        closed({ code: CLOSE.broken, reason: String(error), opened: false });
      }
      this.#queueTurn();
    });
  }

  #disconnected({ code, reason, opened }: Closed): void {
    this.#session = undefined;
    this.#connection = undefined;
    this.#node = undefined;
    this.#pending.disconnected();
    this.#streams.disconnected();
    this.#marks.disconnected();
    if (this.#phase !== "ended") this.#phase = "away";
    if (opened) this.#emitter.emit("disconnected", { code, reason });
    this.#queueTurn();
  }

  #end(reason: EndReason, message: string, closeCode?: number): void {
    if (this.#ended) return;
    const ended = new EndedError(reason, message, closeCode);
    this.#ended = ended;
    this.#phase = "ended";
    this.#endWake();
    this.#endService();
    this.#endPause();
    this.#cancelTimer();
    this.#pending.fail(ended);
    this.#emitter.emit("ended", ended);
  }

  #newId(): number {
    const id = this.#nextId;
    this.#nextId += 1;
    return id;
  }

  #pass(passed: Passed): void {
    this.#emitter.emit(passed.type, passed.event as never);
    if (passed.type !== "entry" || this.#options.deliveredMarks === "manual") return;
    this.delivered(passed.event.conversation, passed.event.seq);
  }

  #mark(mark: Mark): void {
    this.#marks.set(mark);
    this.#queueTurn();
  }

  #reach(phases: Phase[], event: "connected" | "live"): Promise<void> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (phases.includes(this.#phase)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
        offReached();
        offEnded();
        then();
      };
      const offReached = this.on(event, () => settle(resolve));
      const offEnded = this.on("ended", (error) => settle(() => reject(error)));
    });
  }

  #queueTurn(): void {
    if (this.#turnQueued || this.#ended) return;
    this.#turnQueued = true;
    queueMicrotask(() => {
      this.#turnQueued = false;
      this.#turn();
    });
  }

  /** Does all that is due, and sees to it that the next turn comes in time. */
  #turn(): void {
    if (this.#ended) return;
    const now = this.#clock.now();
    this.#pending.expire(now);
    const overdue = this.#session?.overdue(now);
    if (overdue !== undefined) this.#connection?.abandon(overdue);
    const session = this.#session;
    if (session?.maySend()) this.#sendWhatIsDue(session, now);

    this.#cancelTimer();
    let wake = this.#pending.wakeAt(now);
    if (session) wake = Math.min(wake, session.wakeAt());
    if (session?.maySend()) wake = Math.min(wake, this.#marks.wakeAt());
    if (wake !== Infinity) {
      this.#cancelTimer = this.#clock.after(Math.max(0, wake - this.#clock.now()), () => this.#queueTurn());
    }
  }

  /** First the streams, then what is unanswered, then what is new (I5). */
  #sendWhatIsDue(session: Session, now: number): void {
    for (const { command, asked } of session.ask(this.#streams, now)) this.#command(session, command, asked);
    if (session.availability !== this.#availability) {
      session.availability = this.#availability;
      this.#say({ name: "presence", fields: { state: this.#availability } });
    }
    for (;;) {
      const next = this.#pending.next(now);
      if (!next) break;
      this.#write(next.id, next.command);
    }
    for (const mark of this.#marks.collect(now)) {
      const { name, ...fields } = mark;
      const id = this.#newId();
      this.#marks.sent(id, mark);
      this.#write(id, { name, fields });
    }
  }

  /** Sends a command of the client's own. */
  #command(session: Session, command: Command, asked: Asked): void {
    const id = this.#newId();
    session.sent(id, asked);
    this.#write(id, command);
  }

  #write(id: number, command: Command): void {
    this.#connection?.send(encode(id, command.name, command.fields as never));
  }

  #hear(session: Session, data: unknown): void {
    const now = this.#clock.now();
    session.heard(now);
    const incoming = decode(data);
    switch (incoming.is) {
      case "event":
        this.#event(session, incoming.type, incoming.event, now);
        break;
      case "reply":
        this.#reply(session, incoming.id, { ok: incoming.ok }, now);
        break;
      case "refusal":
        this.#reply(session, incoming.id, { error: incoming.error }, now);
        break;
      case "unknown":
        this.#emitter.emit("unknown", { type: incoming.type });
        break;
      case "malformed":
        this.#end("protocol", `not the protocol: ${incoming.reason}`);
        break;
    }
    this.#queueTurn();
  }

  #event<Type extends keyof ServerEvents>(
    session: Session,
    type: Type,
    said: ServerEvents[Type],
    now: number,
  ): void {
    switch (type) {
      case "entry":
        session.useful = true;
        session.need(this.#streams.entry(said as Entry), now);
        break;
      case "conversation":
        session.need(this.#streams.start(said as ConversationState), now);
        break;
      case "ready":
        this.#ready(session, said as Ready);
        break;
      case "receipts":
      case "typing":
      case "presence":
      case "hidden":
        this.#emitter.emit(type, said as never);
        break;
      case "error":
        // The connection ends with it, or the frame that it is about has a deadline.
        break;
    }
  }

  #ready(session: Session, ready: Ready): void {
    session.ready(ready.heartbeat_ms);
    this.#connections += 1;
    this.#streams.belongTo(ready.user);
    this.#user = ready.user;
    this.#node = ready.node;
    this.#phase = "ready";
    this.#emitter.emit("connected", ready);
  }

  /** Says something that is of this moment only, if it can be said now. */
  #say(command: Command): void {
    if (this.#session?.maySend()) this.#command(this.#session, command, { what: "aside" });
  }

  #reply(session: Session, id: number, answer: Answer, now: number): void {
    const error = "error" in answer ? answer.error : undefined;
    if (this.#marks.answered(id, error)) return;
    const asked = session.answered(id);
    switch (asked?.what) {
      case "sync":
        if ("ok" in answer && answer.ok.synced)
          this.#synced(session, answer.ok.synced, asked.scope === "all", now);
        else session.notSynced(asked.scope, now);
        break;
      case "fill":
        session.need(this.#filled(asked.conversation, answer), now);
        break;
      case "aside":
        break;
      case undefined:
        session.useful ||= error === undefined;
        if (this.#pending.answer(id, answer, now, this.#clock.random()) === "connect_anew")
          session.freeze(now);
    }
  }

  #synced(session: Session, synced: Synced, isAll: boolean, now: number): void {
    const refused = Object.entries(synced.refused ?? {});
    session.synced(
      refused.map(([id, error]) => this.#streams.refused(id, error)),
      now,
    );
    if (!isAll || this.#ended) return;
    this.#phase = "live";
    this.#emitter.emit("live", synced);
  }

  #filled(conversation: ConversationId, answer: Answer) {
    if ("error" in answer) return this.#streams.noPage(conversation, answer.error);
    const entries = answer.ok.history?.entries;
    if (!Array.isArray(entries) || !entries.every(isEntry)) {
      return this.#streams.noPage(conversation, UNREADABLE);
    }
    return this.#streams.page(conversation, answer.ok.history as HistoryPage);
  }
}

const UNREADABLE: ServerError = { code: "internal", message: "not a page of history" };

function checkUrl(text: string): void {
  const { protocol } = new URL(text);
  if (protocol !== "ws:" && protocol !== "wss:")
    throw new TypeError(`${text} is not of the form ws://host:port/ws`);
}

function globalWebSocket(): WebSocketConstructor {
  if (typeof WebSocket === "undefined") {
    throw new TypeError("there is no global WebSocket: pass one in the options, that of the package ws, say");
  }
  return WebSocket;
}
