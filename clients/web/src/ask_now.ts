/** Questions that only make sense while there is somebody to answer: nobody waits for a network with them. */

import type { CommandName, Commands, Replica, ReplyTo } from "starling-client";

import { OfflineError } from "./http.js";

type Question = Exclude<CommandName, "auth" | "sync">;

export class AskNow {
  readonly #replica: Replica;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** Whether a node serves this user now. */
  isPossible(): boolean {
    const { phase } = this.#replica.status;
    return phase === "ready" || phase === "live";
  }

  /** Rejects with an {@link OfflineError} where there is no connection, or it ends before the answer. */
  ask<Name extends Question>(name: Name, fields: Commands[Name]): Promise<ReplyTo<Name>> {
    if (!this.isPossible()) return Promise.reject(new OfflineError());
    return new Promise((resolve, reject) => {
      const off = this.#replica.on("status", () => {
        if (this.isPossible()) return;
        off();
        reject(new OfflineError());
      });
      this.#replica
        .request(name, fields)
        .then(resolve, reject)
        .finally(() => off());
    });
  }

  /** Changes something: not begun without a connection, and once begun, carried out across any number of them. */
  change<Name extends Question>(name: Name, fields: Commands[Name]): Promise<ReplyTo<Name>> {
    return this.isPossible() ? this.#replica.request(name, fields) : Promise.reject(new OfflineError());
  }
}
