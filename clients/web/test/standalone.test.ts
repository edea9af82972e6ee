/** The page on one machine without any service: the program that `STARLING_BINARY` names, started as a newcomer does. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import type { Browser } from "playwright-core";

import { eventually, launch, Person } from "./support/person.js";

const { STARLING_BINARY } = process.env;
const folder = mkdtempSync(join(tmpdir(), "starling-page-"));
let browser: Browser;
let listen: string;
let node: ChildProcess;

/** Starts it, and waits until it is ready. */
async function start(): Promise<void> {
  assert.ok(STARLING_BINARY, "name the program in STARLING_BINARY: target/debug/starling, say");
  const env = { STARLING_LISTEN: listen, STARLING_DATA_DIR: join(folder, "data") };
  node = spawn(STARLING_BINARY, [], { env, stdio: ["ignore", "ignore", "inherit"] });
  await eventually(async () => {
    assert.equal(node.exitCode, null, "it has ended");
    return fetch(`http://${listen}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
}

async function kill(): Promise<void> {
  const ended = new Promise((resolve) => node.once("exit", resolve));
  node.kill("SIGKILL");
  await ended;
}

/** Below those that the kernel gives to who connects: one might take it while the node is down. */
async function freePort(): Promise<number> {
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  const isFree = await new Promise<boolean>((resolve) => {
    const server = createServer().on("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
  return isFree ? port : freePort();
}

before(async () => {
  browser = await launch();
  listen = `127.0.0.1:${await freePort()}`;
  await start();
});

after(async () => {
  await browser?.close();
  if (node?.exitCode === null && node.signalCode === null) await kill();
  rmSync(folder, { recursive: true, force: true });
});

test("two windows, a conversation; killed in the middle and started again, all is there", async () => {
  const url = `http://${listen}/`;
  const ann = await (await Person.make(browser, "Ann")).signIn(url);
  const bob = await (await Person.make(browser, "Bob")).signIn(url);
  await ann.beginWith(bob);
  await bob.open("Ann");
  await ann.say("Hello from one machine");
  await bob.sees("Hello from one machine");
  await ann.hasComeTo("Hello from one machine", "read");
  await bob.input.pressSequentially("still typ");

  await kill();
  await ann.page.locator(".connection:not([data-phase=live])").waitFor();
  await ann.say("Said while nobody was there");
  await start();
  for (const person of [ann, bob]) await person.isLive();
  await bob.sees("Said while nobody was there");
  assert.equal(await bob.input.inputValue(), "still typ");
  await bob.say("I am back");
  await ann.sees("I am back");

  // A browser that has nothing of it is told all of it by the file in the data folder.
  const other = await ann.device(browser);
  await other.signInAgain(url);
  await other.open("Bob");
  await other.sees("I am back");
  const all = ["Hello from one machine", "Said while nobody was there", "I am back"];
  for (const person of [ann, bob, other]) assert.deepEqual(await person.texts(), all);
  for (const person of [ann, bob, other]) {
    assert.deepEqual(person.complaints, []);
    await person.close();
  }
});
