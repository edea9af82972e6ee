/** Who types, as far as was heard; and telling others that this user does. */

import { signal } from "@preact/signals";
import type { Entry, Replica } from "starling-client";

/** The server ends it after 30 s without word. */
const HEARD_MS = 32_000;
/** Said again so often while he types. */
const AGAIN_MS = 4_000;
/** He has stopped when nothing came for so long. */
const IDLE_MS = 2_000;

/** Others who type, by conversation. */
export class Typists {
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly typing = signal<ReadonlyMap<string, readonly string[]>>(new Map());

  heard(conversation: string, user: string, isTyping: boolean): void {
    const key = JSON.stringify([conversation, user]);
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    if (isTyping) {
      const end = setTimeout(() => this.heard(conversation, user, false), HEARD_MS);
      this.#timers.set(key, end);
    }
    const users = this.typing.value.get(conversation) ?? [];
    if (users.includes(user) === isTyping) return;
    const now = isTyping ? [...users, user] : users.filter((other) => other !== user);
    this.typing.value = new Map(this.typing.value).set(conversation, now);
  }

  /** Who has said something has stopped. */
  said(entry: Entry): void {
    if (entry.sender !== undefined) this.heard(entry.conversation, entry.sender, false);
  }

  /** The connection ended: nobody is known to type. */
  clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.typing.value = new Map();
  }
}

/** This user, in one conversation. */
export class OwnTyping {
  readonly #replica: Replica;
  readonly #conversation: string;
  #saidAt = -Infinity;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(replica: Replica, conversation: string) {
    this.#replica = replica;
    this.#conversation = conversation;
  }

  /** A key was pressed. */
  typed(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.stop(), IDLE_MS);
    if (Date.now() < this.#saidAt + AGAIN_MS) return;
    this.#saidAt = Date.now();
    this.#replica.typing(this.#conversation, true);
  }

  stop(): void {
    clearTimeout(this.#idle);
    if (this.#saidAt === -Infinity) return;
    this.#saidAt = -Infinity;
    this.#replica.typing(this.#conversation, false);
  }
}
