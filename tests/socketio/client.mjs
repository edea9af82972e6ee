// What the scripts share: a client that remembers what it was told, and checks.
//
// URL is the node or the front; CLIENT, TRANSPORT and PARSER choose what connects to it.

import assert from "node:assert/strict";
import * as msgpack from "socket.io-msgpack-parser";

const { URL = "http://127.0.0.1:8080", CLIENT = "socket.io-client", TRANSPORT = "websocket", PARSER = "json" } =
  process.env;

export const url = URL;
const { io } = await import(CLIENT);

// In the Rust tests a token is the user's name; in the cluster's, TOKENS maps names to tokens.
const tokens = JSON.parse(process.env.TOKENS ?? "{}");
export const tokenOf = (user) => tokens[user] ?? user;

export function options(more = {}) {
  const transports = { websocket: ["websocket"], polling: ["polling"], upgrade: ["polling", "websocket"] }[TRANSPORT];
  const parser = PARSER === "msgpack" ? (msgpack.default ?? msgpack) : undefined;
  return { transports, ...(parser && { parser }), forceNew: true, ...more };
}

// A connected client of a user; `told` holds the arguments of all events so far.
export class Client {
  constructor(user, more = {}, at = url) {
    this.user = user;
    this.told = [];
    this.waiting = [];
    this.socket = io(at, options({ auth: { token: tokenOf(user) }, ...more }));
    this.socket.onAny((event, ...args) => this.#hear(event, args));
    for (const event of ["connect", "connect_error", "disconnect"]) {
      this.socket.on(event, (...args) => this.#hear(event, args));
    }
  }

  #hear(event, args) {
    const heard = { event, args };
    const index = this.waiting.findIndex((waiting) => waiting.fits(heard));
    if (index >= 0) this.waiting.splice(index, 1)[0].resolve(args[0]);
    else this.told.push(heard);
  }

  // The first argument of the next event of this name that fits; every event is given out once.
  next(event, fits = () => true, within = 30_000) {
    const wanted = (heard) => heard.event === event && fits(heard.args[0]);
    const index = this.told.findIndex(wanted);
    if (index >= 0) return Promise.resolve(this.told.splice(index, 1)[0].args[0]);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.user} was not told ${event} in time; told: ${
        JSON.stringify(this.told.map((heard) => heard.event))}`)), within);
      this.waiting.push({ fits: wanted, resolve: (value) => { clearTimeout(timer); resolve(value); } });
    });
  }

  // How many events of this name have come that nobody has asked for.
  count(event) {
    return this.told.filter((heard) => heard.event === event).length;
  }

  emit(...args) {
    this.socket.emit(...args);
  }

  ask(event, payload) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${event} was not acknowledged`)), 30_000);
      this.socket.emit(event, payload, (answer) => { clearTimeout(timer); resolve(answer); });
    });
  }

  // Chatter's: whatever is said from now on is told live, since events are carried out once its conversations flow.
  async isLive() {
    assert.equal((await this.ask("sync", { conversations: [] })).success, true);
  }

  async join(roomId) {
    this.emit("join_room", { roomId, userId: this.user });
    await this.next("joined_room", (joined) => joined.roomId === roomId);
    return { history: await this.next("message_history"), users: await this.next("room_users") };
  }

  close() {
    this.socket.close();
  }
}

export function hasFields(value, fields) {
  for (const [name, type] of Object.entries(fields)) {
    const is = Array.isArray(value[name]) ? "array" : typeof value[name];
    assert.equal(is, type, `${name} of ${JSON.stringify(value)}`);
  }
}

// Looks again until it is so.
export async function eventually(check, within = 30_000) {
  const began = Date.now();
  while (!(await check())) {
    assert.ok(Date.now() - began < within, "it did not come about");
    await sleep(50);
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function done(...clients) {
  for (const client of clients) client.close();
  console.log("ok");
  // A polling client has a request under way for as long as its timeout.
  setTimeout(() => process.exit(0), 100);
}

process.on("unhandledRejection", (error) => {
  console.error(error);
  process.exit(1);
});
