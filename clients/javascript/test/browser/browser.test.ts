/** In a real browser: the store in IndexedDB, and tabs that share it. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import type { Browser, BrowserContext, Page } from "playwright-core";

import type { Entry, IndexedDbStore, Replica } from "../../src/index.js";
import { launch } from "../support/browser.js";
import { FakeCluster } from "../support/cluster.js";
import { examples } from "../support/readme.js";
import { eventually, FakeServer } from "../support/sockets.js";
import { STORE_CASES } from "../support/store_cases.js";

/** What the page's global scope holds for the tests. */
interface Window {
  replica: Replica;
  store: IndexedDbStore;
  /** What listeners were told of conversation c, by seq. */
  told: number[];
  typing: string[];
  statuses: string[];
}

let browser: Browser;
let cluster: FakeCluster;
let server: FakeServer;

before(async () => {
  cluster = new FakeCluster();
  server = await FakeServer.start(cluster);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A device of a user, in a conversation `c` of its own. */
class Device {
  private constructor(
    readonly context: BrowserContext,
    readonly conversation: string,
    readonly user: string,
  ) {}

  static async make(conversation: string): Promise<Device> {
    const user = `ann-${conversation}`;
    cluster.create(conversation, [user, "bob"]);
    return new Device(await browser.newContext(), conversation, user);
  }

  /** A tab with a replica. */
  async tab(): Promise<Tab> {
    const page = await this.context.newPage();
    return this.load(page);
  }

  async load(page: Page): Promise<Tab> {
    await page.goto(`http://${server.origin}/`);
    const given = { url: `ws://${server.origin}/ws`, user: this.user, conversation: this.conversation };
    await page.evaluate(async ({ url, user, conversation }) => {
      const module = "/src/index.js";
      const { IndexedDbStore, Replica } = (await import(module)) as typeof import("../../src/index.js");
      const scope = globalThis as unknown as Window;
      Object.assign(scope, { told: [], typing: [], statuses: [] });
      scope.store = await IndexedDbStore.open(`starling-${user}`);
      scope.replica = await Replica.open({ url, token: user, user, store: scope.store });
      scope.replica.on("entries", ({ conversation: id, entries }) => {
        if (id === conversation) scope.told.push(...entries.map(({ seq }: Entry) => seq));
      });
      scope.replica.on("typing", ({ user }) => scope.typing.push(user));
      scope.replica.on("status", ({ phase }) => scope.statuses.push(phase));
    }, given);
    return new Tab(page, this.conversation);
  }

  log(): Entry[] {
    return cluster.logs.get(this.conversation)?.entries ?? [];
  }

  connections(): number {
    return [...cluster.connections].filter(({ user }) => user === this.user).length;
  }

  close(): Promise<void> {
    return this.context.close();
  }
}

class Tab {
  constructor(
    readonly page: Page,
    readonly conversation: string,
  ) {}

  send(text: string): Promise<string> {
    return this.page.evaluate(
      ({ conversation, text }) => (globalThis as unknown as Window).replica.send(conversation, text),
      { conversation: this.conversation, text },
    );
  }

  texts(): Promise<(string | undefined)[]> {
    return this.page.evaluate(async (conversation) => {
      const { entries } = await (globalThis as unknown as Window).replica.entries(conversation, {
        limit: 1_000,
      });
      return entries.filter(({ body }) => body.message).map(({ body }) => body.message?.text);
    }, this.conversation);
  }

  outbox(): Promise<number> {
    return this.page.evaluate(async () => (await (globalThis as unknown as Window).replica.outbox()).length);
  }

  told(): Promise<number[]> {
    return this.page.evaluate(() => (globalThis as unknown as Window).told);
  }

  leads(): Promise<boolean> {
    return this.page.evaluate(() => (globalThis as unknown as Window).replica.leads);
  }

  live(): Promise<void> {
    return eventually(() =>
      this.page.evaluate(() => (globalThis as unknown as Window).replica.status.phase === "live"),
    );
  }
}

test("the store in IndexedDB does what every store does", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://${server.origin}/`);
  const outcomes = await page.evaluate(async () => {
    const [library, cases] = ["/src/index.js", "/test/support/store_cases.js"];
    const { IndexedDbStore } = (await import(library)) as typeof import("../../src/index.js");
    const { STORE_CASES } = (await import(cases)) as typeof import("../support/store_cases.js");
    const outcomes: string[] = [];
    for (const [index, { name, run }] of STORE_CASES.entries()) {
      const store = await IndexedDbStore.open(`case-${index}`);
      outcomes.push(
        await run(store).then(
          () => "ok",
          (error: Error) => `${name}: ${error.message}`,
        ),
      );
      store.close();
      await IndexedDbStore.remove(`case-${index}`);
    }
    const left = await indexedDB.databases();
    return [...outcomes, `${left.length} left`];
  });
  assert.deepEqual(outcomes, [...STORE_CASES.map(() => "ok"), "0 left"]);
  await context.close();
});

test("a store of a later version is refused, and an open one makes way for it", async () => {
  const device = await Device.make("later");
  const tab = await device.tab();
  await tab.live();
  const outcome = await tab.page.evaluate(async (user) => {
    const scope = globalThis as unknown as Window;
    const later = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(`starling-${user}`, 99);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
      request.onblocked = () => reject(new Error("the old one does not make way"));
    });
    later.close();
    const Store = scope.store.constructor as typeof IndexedDbStore;
    return Store.open(`starling-${user}`).then(
      () => "opened",
      (error: Error) => error.name,
    );
  }, device.user);
  assert.equal(outcome, "VersionError");
  cluster.append("later", "bob", { message: { text: "hello" } });
  const ended = () => (globalThis as unknown as Window).replica.status.ended?.reason;
  await eventually(async () => (await tab.page.evaluate(ended)) === "store");
  await device.close();
});

test("a page shows what it had, and sends what was said offline, when it comes back", async () => {
  const device = await Device.make("offline");
  let tab = await device.tab();
  await tab.live();
  await tab.send("one");
  await eventually(async () => (await tab.outbox()) === 0);
  server.goDown();
  await tab.send("two");
  tab = await device.load(tab.page);
  assert.deepEqual(await tab.texts(), ["one"]);
  assert.equal(await tab.outbox(), 1);
  await tab.send("three");
  cluster.append("offline", "bob", { message: { text: "meanwhile" } });
  server.isUp = true;
  await eventually(async () => (await tab.outbox()) === 0);
  await eventually(async () => (await tab.texts()).length === 4);
  assert.deepEqual(await tab.texts(), ["one", "meanwhile", "two", "three"]);
  assert.deepEqual(
    device.log().map(({ body }) => body.message?.text),
    [undefined, ...(await tab.texts())],
  );
  await eventually(async () => (await tab.told()).at(-1) === 5);
  assert.deepEqual(await tab.told(), [3, 4, 5], "what it had is not told again");
  await device.close();
});

test("two tabs have one connection, and both have everything once", async () => {
  const device = await Device.make("tabs");
  const first = await device.tab();
  await first.live();
  const second = await device.tab();
  await second.live();
  assert.deepEqual([await first.leads(), await second.leads(), device.connections()], [true, false, 1]);

  for (let n = 1; n <= 20; n += 1) await (n % 2 ? first : second).send(`text ${n}`);
  cluster.append("tabs", "bob", { message: { text: "from bob" } });
  const all = Array.from({ length: 21 }, (_, index) => index + 2);
  for (const tab of [first, second]) {
    await eventually(async () => (await tab.told()).at(-1) === 22);
    // The first entry was there when the second tab was opened, or came then.
    assert.deepEqual(
      (await tab.told()).filter((seq) => seq > 1),
      all,
    );
    await eventually(async () => (await tab.outbox()) === 0);
  }
  const said = device
    .log()
    .flatMap(({ sender, body }) => (sender === device.user && body.message ? [body.message.text] : []));
  assert.deepEqual(
    said,
    Array.from({ length: 20 }, (_, index) => `text ${index + 1}`),
    "in the order of both tabs",
  );

  // What only the connection can answer reaches the second tab too.
  const answer = await second.page.evaluate(() =>
    (globalThis as unknown as Window).replica.request("presences", { users: ["bob"] }),
  );
  assert.deepEqual(answer, { presences: [{ user: "bob", state: "online" }] });
  const refused = second.page.evaluate(() =>
    (globalThis as unknown as Window).replica
      .request("history", { conversation: "none" })
      .catch((error) => error.code),
  );
  assert.equal(await refused, "unknown_conversation");
  await second.page.evaluate(() => (globalThis as unknown as Window).replica.read("tabs", 22));
  await eventually(() => cluster.marks.get(`read tabs ${device.user}`) === 22);
  await device.close();
});

test("when the tab that leads goes, the other goes on where it was", async () => {
  const device = await Device.make("heirs");
  const first = await device.tab();
  await first.live();
  const second = await device.tab();
  await second.live();
  server.goDown();
  for (const text of ["one", "two"]) await second.send(text);
  const asked = second.page.evaluate(() =>
    (globalThis as unknown as Window).replica.request("presences", { users: ["eve"] }),
  );
  await first.page.close();
  await second.send("three");
  server.isUp = true;
  await eventually(() => second.leads());
  await eventually(async () => (await second.outbox()) === 0);
  await eventually(async () => (await second.texts()).length === 3);
  assert.deepEqual(await second.texts(), ["one", "two", "three"]);
  assert.deepEqual(
    device.log().map(({ body }) => body.message?.text),
    [undefined, "one", "two", "three"],
  );
  await eventually(async () => (await second.told()).at(-1) === 4);
  assert.deepEqual((await second.told()).slice(-3), [2, 3, 4]);
  assert.deepEqual(await asked, { presences: [{ user: "eve", state: "online" }] });
  await device.close();
});

/** Keeps a page from doing anything. It has begun when this is done; `end` fails if the page is closed before. */
async function freeze(page: Page, ms: number): Promise<{ end: Promise<void> }> {
  const begun = page.waitForEvent("console", (message) => message.text() === "frozen");
  const end = page.evaluate((ms) => {
    console.log("frozen");
    const end = Date.now() + ms;
    while (Date.now() < end);
  }, ms);
  end.catch(() => undefined);
  await begun;
  return { end };
}

test("a tab that leads and is frozen loses the lead to one that somebody looks at", async () => {
  const device = await Device.make("frozen");
  const first = await device.tab();
  await first.live();
  const second = await device.tab();
  await second.live();
  const frozen = await freeze(first.page, 20_000);
  const asked = second.page.evaluate(() =>
    (globalThis as unknown as Window).replica.request("presences", { users: ["eve"] }),
  );
  await eventually(() => second.leads(), 15_000);
  assert.deepEqual(await asked, { presences: [{ user: "eve", state: "online" }] });
  await second.send("still here");
  await eventually(async () => (await second.outbox()) === 0);

  await frozen.end;
  await eventually(async () => !(await first.leads()));
  await eventually(() => device.connections() === 1);
  await first.send("so am I");
  for (const tab of [first, second]) {
    await eventually(async () => (await tab.texts()).length === 2);
    assert.deepEqual(await tab.texts(), ["still here", "so am I"]);
    assert.deepEqual([...new Set(await tab.told())], await tab.told(), "told once");
  }
  await device.close();
});

test("a tab that leads and is frozen holds up nothing that is said, here or elsewhere", async () => {
  for (const said of ["here", "elsewhere"]) {
    const name = `frozen-${said}`;
    const device = await Device.make(name);
    const first = await device.tab();
    await first.live();
    const second = await device.tab();
    await second.live();
    // For longer than the rest takes; it ends with the device.
    await freeze(first.page, 60_000);
    if (said === "here") await second.send(said);
    else cluster.append(name, "bob", { message: { text: said } });
    await eventually(async () => (await second.texts()).includes(said), 25_000);
    await eventually(async () => (await second.outbox()) === 0, 2_000);
    assert.ok(await second.leads());
    await device.close();
  }
});

test("without locks each tab has a connection, and still nothing is doubled", async () => {
  const device = await Device.make("lockless");
  await device.context.addInitScript(() => Object.defineProperty(navigator, "locks", { value: undefined }));
  const first = await device.tab();
  const second = await device.tab();
  for (const tab of [first, second]) await tab.live();
  assert.deepEqual([await first.leads(), await second.leads(), device.connections()], [true, true, 2]);
  const said = Array.from({ length: 20 }, (_, index) => `text ${index + 1}`);
  for (const [index, text] of said.entries()) await (index % 2 ? first : second).send(text);
  for (const tab of [first, second]) {
    await eventually(async () => (await tab.outbox()) === 0);
    await eventually(async () => (await tab.told()).at(-1) === 21);
    assert.deepEqual(await tab.texts(), said);
    const told = (await tab.told()).filter((seq) => seq > 1);
    assert.deepEqual(
      told,
      Array.from({ length: 20 }, (_, index) => index + 2),
    );
  }
  assert.equal(device.log().length, 21);
  await device.close();
});

test("the example of README.md for browsers", async () => {
  cluster.create("crew", ["bob", "ann"], "group", "Crew");
  cluster.append("crew", "bob", { message: { text: "welcome" } });
  const context = await browser.newContext();
  const page = await context.newPage();
  const printed: string[] = [];
  page.on("console", (message) => printed.push(message.text()));
  page.on("pageerror", (error) => printed.push(String(error)));
  const [code] = examples("js browser", server.origin) as [string];
  const script = code.replace('"starling-client"', '"/src/index.js"');
  const load = async () => {
    printed.length = 0;
    await page.goto(`http://${server.origin}/`);
    await page.evaluate(() => localStorage.setItem("token", "ann"));
    await page.addScriptTag({ type: "module", content: script });
  };
  await load();
  await eventually(() => printed.includes("d.ann-bob 2: Hello Bob"));
  await load();
  await eventually(() => printed.includes("d.ann-bob 3: Hello Bob"));
  assert.ok(printed.includes("Crew: 1 unread"), String(printed));
  assert.ok(!printed.includes("d.ann-bob 2: Hello Bob"), "it is there already");
  await context.close();
});
