/** A server that says what the test says. */

import assert from "node:assert/strict";

import type { WebSocketConstructor, WebSocketLike } from "../../src/index.js";
import { settled } from "./clock.js";

type Handler = ((event: never) => void) | null;

/** The frame of a client: its id, the name of its command, its fields. */
export interface Asked {
  id: number;
  name: string;
  fields: Record<string, unknown>;
}

export class ScriptedServer {
  readonly peers: Peer[] = [];
  /** Where a client's next connections fail instead. */
  refusing = false;
  #accepted = 0;

  readonly WebSocket: WebSocketConstructor = ((server: ScriptedServer) =>
    class {
      constructor(url: string, protocols: string) {
        return server.connect(url, protocols);
      }
    })(this) as unknown as WebSocketConstructor;

  private connect(url: string, protocols: string): Socket {
    const socket = new Socket();
    const peer = new Peer(socket, url, protocols);
    if (this.refusing) {
      queueMicrotask(() => socket.end(1006, ""));
    } else {
      this.peers.push(peer);
      queueMicrotask(() => socket.open());
    }
    return socket;
  }

  /** The next connection; there must be one already. */
  async accept(): Promise<Peer> {
    await settled();
    const peer = this.peers[this.#accepted];
    assert(peer, "nobody has connected");
    this.#accepted += 1;
    return peer;
  }

  /** The next connection, taken, with its first `sync` answered; returns it and the cursors that it named. */
  async serve(user = "ann"): Promise<{ peer: Peer; cursors: unknown }> {
    const peer = await this.accept();
    const auth = await peer.hear("auth");
    peer.event("ready", { user, node: "n", connection: "c", heartbeat_ms: 25_000 });
    peer.ok(auth, "done", {});
    const sync = await peer.hear("sync");
    peer.ok(sync, "synced", { conversations: 0 });
    await settled();
    return { peer, cursors: sync.fields["cursors"] };
  }
}

/** The server's end of one connection. */
export class Peer {
  readonly #heard: Asked[] = [];

  constructor(
    readonly socket: Socket,
    readonly url: string,
    readonly protocols: string,
  ) {
    socket.heard = (text) => {
      const { id, ...rest } = JSON.parse(text) as { id: number } & Record<string, Record<string, unknown>>;
      const [name, fields] = Object.entries(rest)[0] as [string, Record<string, unknown>];
      this.#heard.push({ id, name, fields });
    };
  }

  /** The next frame, which must be this command. */
  async hear(name: string): Promise<Asked> {
    await settled();
    const asked = this.#heard.shift();
    assert.equal(asked?.name, name);
    return asked as Asked;
  }

  /** The names of all that has come and was not heard. */
  async rest(): Promise<string[]> {
    await settled();
    return this.#heard.splice(0).map(({ name }) => name);
  }

  event(type: string, event: unknown): void {
    this.say(JSON.stringify({ [type]: event }));
  }

  ok(asked: Asked, type: string, reply: unknown): void {
    this.say(JSON.stringify({ id: asked.id, ok: { [type]: reply } }));
  }

  refuse(asked: Asked, code: string, more: object = {}): void {
    this.say(JSON.stringify({ id: asked.id, error: { code, message: code, ...more } }));
  }

  say(text: string): void {
    this.socket.onmessage?.({ data: text } as never);
  }

  close(code: number, reason = ""): void {
    this.socket.end(code, reason);
  }
}

class Socket implements WebSocketLike {
  onopen: Handler = null;
  onmessage: Handler = null;
  onclose: Handler = null;
  onerror: Handler = null;
  heard: (text: string) => void = () => undefined;
  closedWith: number | undefined;
  #isOver = false;

  open(): void {
    if (!this.#isOver) this.onopen?.({} as never);
  }

  send(data: string): void {
    if (!this.#isOver) this.heard(data);
  }

  close(code?: number): void {
    this.closedWith ??= code;
    queueMicrotask(() => this.end(code ?? 1005, ""));
  }

  end(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.onclose?.({ code, reason } as never);
  }
}

/** An entry with a text. */
export function entry(conversation: string, seq: number, more: object = {}): Record<string, unknown> {
  return {
    conversation,
    seq,
    sender: "bob",
    client_id: `${conversation}/${seq}`,
    lamport: seq,
    at: 1_767_225_600_000 + seq,
    messages: seq,
    membership: 1,
    body: { message: { text: `text ${seq}` } },
    ...more,
  };
}

/** A conversation's state. */
export function state(id: string, cursor: number, more: object = {}): Record<string, unknown> {
  const conversation = {
    id,
    kind: "group",
    role: "member",
    head: cursor,
    delivered: 0,
    read: 0,
    unread: 0,
    ...more,
  };
  return { cursor, conversation };
}
