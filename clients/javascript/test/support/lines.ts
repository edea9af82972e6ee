/** WebSockets of a {@link FakeCluster} inside this process, on a clock that the test holds. */

import type { WebSocketConstructor, WebSocketLike } from "../../src/index.js";
import type { VirtualClock } from "./clock.js";
import type { FakeCluster, FakeConnection } from "./cluster.js";

type Handler = ((event: never) => void) | null;

/** What a network is like. */
export interface Network {
  /** While it is down nobody is reached. A connection that is used then is dead, and neither side is told. */
  isUp: boolean;
}

/** Frames take some milliseconds, and keep their order; what is under way when a connection breaks is lost. */
export function linesTo(
  cluster: FakeCluster,
  clock: VirtualClock,
  network: Network = { isUp: true },
): WebSocketConstructor {
  return class implements WebSocketLike {
    onopen: Handler = null;
    onmessage: Handler = null;
    onclose: Handler = null;
    onerror: Handler = null;
    #isOver = false;
    #isDead = false;
    #outAt = 0;
    #inAt = 0;
    readonly #connection: FakeConnection;

    constructor(url: string) {
      const end = (code: number, reason: string) => {
        if (this.#isOver) return;
        this.#isOver = true;
        this.#connection.gone();
        this.onclose?.({ code, reason } as never);
      };
      this.#end = end;
      this.#connection = cluster.connect(
        {
          say: (text) => this.#arrive("in", () => this.onmessage?.({ data: text } as never)),
          close: (code, reason) =>
            code === 1006
              ? clock.after(0, () => end(code, reason))
              : this.#arrive("in", () => end(code, reason)),
        },
        new URL(url).host,
      );
      if (network.isUp) this.#arrive("in", () => this.onopen?.({} as never));
      else clock.after(1, () => end(1006, ""));
    }

    readonly #end: (code: number, reason: string) => void;

    send(text: string): void {
      this.#arrive("out", () => this.#connection.hear(text));
    }

    close(code = 1005): void {
      clock.after(0, () => this.#end(code, ""));
    }

    #arrive(way: "in" | "out", work: () => void): void {
      const at = clock.now() + 1 + clock.random() * 5;
      const due = Math.max(at, way === "in" ? this.#inAt : this.#outAt);
      if (way === "in") this.#inAt = due;
      else this.#outAt = due;
      clock.after(due - clock.now(), () => {
        this.#isDead ||= !network.isUp;
        if (!this.#isOver && !this.#isDead) work();
      });
    }
  };
}
