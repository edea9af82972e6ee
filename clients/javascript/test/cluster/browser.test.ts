/** Two browsers on two nodes of a real cluster. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";

import type { Browser, Page } from "playwright-core";

import type { Replica } from "../../src/index.js";
import { launch } from "../support/browser.js";
import { FakeCluster } from "../support/cluster.js";
import { mint, realCluster, socketUrl } from "../support/real.js";
import { eventually, FakeServer } from "../support/sockets.js";

interface Window {
  replica: Replica;
  typing: string[];
}

const cluster = realCluster();
const run = randomBytes(4).toString("hex");
let browser: Browser;
/** Gives the browser the built files; nobody connects to it. */
let files: FakeServer;

before(async () => {
  files = await FakeServer.start(new FakeCluster());
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await files?.stop();
});

async function load(page: Page, user: string, url: string): Promise<void> {
  await page.goto(`http://${files.origin}/`);
  await page.evaluate(
    async ({ user, url, token }) => {
      const module = "/src/index.js";
      const { IndexedDbStore, Replica } = (await import(module)) as typeof import("../../src/index.js");
      const scope = globalThis as unknown as Window;
      const store = await IndexedDbStore.open(`starling-${user}`);
      scope.typing = [];
      scope.replica = await Replica.open({ url, token, user, store });
      scope.replica.on("typing", ({ user }) => scope.typing.push(user));
    },
    { user, url, token: mint(cluster, user) },
  );
}

const texts = (page: Page, id: string) =>
  page.evaluate(async (id) => {
    const { entries } = await (globalThis as unknown as Window).replica.entries(id);
    return entries.flatMap(({ body }) => (body.message ? [body.message.text] : []));
  }, id);

const say = (page: Page, id: string, text: string) =>
  page.evaluate(({ id, text }) => (globalThis as unknown as Window).replica.send(id, text), { id, text });

test("two browsers on two nodes talk, and one that was offline merges", async () => {
  const [ann, bob] = [`ann4-${run}`, `bob4-${run}`];
  const [node1, node2] = cluster.nodes.map(({ url }) => socketUrl(url)) as [string, string];
  const annsPage = await (await browser.newContext()).newPage();
  const bobsPage = await (await browser.newContext()).newPage();
  await load(annsPage, ann, node1);
  await load(bobsPage, bob, node2);
  const { id } = await annsPage.evaluate(
    (bob) => (globalThis as unknown as Window).replica.request("create", { kind: "direct", members: [bob] }),
    bob,
  );
  await say(annsPage, id, "Hello <b>Bob</b>");
  await eventually(async () => (await texts(bobsPage, id)).length === 1);
  await bobsPage.evaluate((id) => (globalThis as unknown as Window).replica.typing(id, true), id);
  await eventually(() =>
    annsPage.evaluate((bob) => (globalThis as unknown as Window).typing.includes(bob), bob),
  );
  await say(bobsPage, id, "Hello Ann");
  await eventually(async () => (await texts(annsPage, id)).length === 2);

  // Nobody answers there.
  await load(annsPage, ann, "ws://127.0.0.1:9/ws");
  assert.deepEqual(await texts(annsPage, id), ["Hello <b>Bob</b>", "Hello Ann"]);
  await say(annsPage, id, "said offline");
  await say(bobsPage, id, "meanwhile");
  await eventually(async () => (await texts(bobsPage, id)).length === 3);

  await load(annsPage, ann, node2);
  const all = ["Hello <b>Bob</b>", "Hello Ann", "meanwhile", "said offline"];
  for (const page of [annsPage, bobsPage]) {
    await eventually(async () => (await texts(page, id)).length === all.length);
    assert.deepEqual(await texts(page, id), all);
  }
  const outbox = annsPage.evaluate(
    async () => (await (globalThis as unknown as Window).replica.outbox()).length,
  );
  assert.equal(await outbox, 0);
});
