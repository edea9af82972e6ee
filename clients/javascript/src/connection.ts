/** One socket: frames in, frames out, and how it ended. Knows nothing of what the frames mean. */

import { CLOSE } from "./closing.js";
import { SUBPROTOCOL } from "./protocol.js";

/** The part of a WebSocket that this library uses: that of browsers, of Node 22 and later, and of the package `ws`. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string, protocols: string) => WebSocketLike;

/** How a connection ended. */
export interface Closed {
  code: number;
  reason: string;
  /** Whether it ever opened. */
  opened: boolean;
}

export interface Hearing {
  opened(): void;
  heard(data: unknown): void;
  closed(closed: Closed): void;
}

/** Tells `hearing` what happens, and nothing more after `closed`. */
export class Connection {
  readonly #socket: WebSocketLike;
  #hearing: Hearing | undefined;
  #open = false;

  constructor(WebSocket: WebSocketConstructor, url: string, hearing: Hearing) {
    this.#hearing = hearing;
    this.#socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket.onopen = () => {
      this.#open = true;
      this.#hearing?.opened();
    };
    this.#socket.onmessage = (event: { data: unknown }) => this.#hearing?.heard(event.data);
    this.#socket.onclose = (event: { code: number; reason: string }) => this.#end(event.code, event.reason);
    // What went wrong is not told to programs in browsers; `onclose` follows.
    this.#socket.onerror = () => undefined;
  }

  send(frame: string): void {
    this.#socket.send(frame);
  }

  /** Says goodbye, and hears no more. Nobody is told. */
  leave(): void {
    this.#hearing = undefined;
    this.#close();
  }

  /** Gives the connection up, without waiting for what the network says to it. */
  abandon(reason: string): void {
    this.#end(CLOSE.broken, reason);
    this.#close();
  }

  #end(code: number, reason: string): void {
    const hearing = this.#hearing;
    this.#hearing = undefined;
    hearing?.closed({ code, reason, opened: this.#open });
  }

  #close(): void {
    try {
      this.#socket.close(CLOSE.goodbye);
    } catch {
      // It may never have opened.
    }
  }
}
