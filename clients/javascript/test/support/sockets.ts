/** A {@link FakeCluster} behind real WebSockets, on 127.0.0.1, and the built files beside it. */

import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";

import { WebSocketServer } from "ws";

import type { FakeCluster } from "./cluster.js";

/** `dist/`. */
const FILES = new URL("../../", import.meta.url);
const TYPES: Record<string, string> = { ".js": "text/javascript", ".html": "text/html" };

export class FakeServer {
  /** While it is not so, connections are refused. */
  isUp = true;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;

  private constructor(readonly cluster: FakeCluster) {
    this.#http = createServer((request, response) => {
      const path = new URL(request.url ?? "/", "http://x").pathname;
      const send = (status: number, type: string, body: string | Buffer) =>
        response.writeHead(status, { "content-type": type }).end(body);
      if (path === "/") return void send(200, "text/html", "<!doctype html><title>Test</title>");
      readFile(new URL(`.${path}`, FILES)).then(
        (body) => send(200, TYPES[extname(path)] ?? "text/plain", body),
        () => send(404, "text/plain", "not found"),
      );
    });
    this.#sockets = new WebSocketServer({
      noServer: true,
      handleProtocols: (asked) => [...asked][0] ?? false,
    });
    this.#http.on("upgrade", (request, socket, head) => {
      if (!this.isUp) return void socket.destroy();
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
        const connection = cluster.connect({
          say: (text) => webSocket.send(text),
          close: (code, reason) => (code === 1006 ? webSocket.terminate() : webSocket.close(code, reason)),
        });
        webSocket.on("message", (data) => connection.hear(String(data)));
        webSocket.on("close", () => connection.gone());
      });
    });
  }

  static async start(cluster: FakeCluster): Promise<FakeServer> {
    const server = new FakeServer(cluster);
    await new Promise<void>((resolve) => server.#http.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get origin(): string {
    return `127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  /** Breaks all connections, and refuses new ones. */
  goDown(): void {
    this.isUp = false;
    for (const connection of [...this.cluster.connections]) connection.close(1006);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }
}

/** Waits until it is so. */
export async function eventually(isSo: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`not so within ${ms} ms: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
