/** The page in real browsers, on a real cluster. */

import assert from "node:assert/strict";
import { kill } from "node:process";
import { after, before, test } from "node:test";

import type { Browser } from "playwright-core";

import { inventedPhone, mint, theCluster } from "./support/cluster.js";
import { eventually, launch, Person } from "./support/person.js";

const cluster = theCluster();
const [node1, node2] = cluster.nodes.map(({ url }) => url) as [string, string];
/** Until what is on the device is shown. On a machine that does nothing else it is a fraction of this. */
const MOST_SCRIPT_MS = 250;
/** For a dozen pages of a history, one after the other. */
const MANY_PAGES_MS = 120_000;
let browser: Browser;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

/** Two people who have just begun to talk, each on a node of his own. */
async function two(at: [string, string] = [node1, node2]): Promise<[Person, Person]> {
  const [ann, bob] = await Promise.all([
    Person.make(browser, "Ann").then((person) => person.signIn(at[0])),
    Person.make(browser, "Bob").then((person) => person.signIn(at[1])),
  ]);
  await ann.beginWith(bob);
  await bob.open("Ann");
  return [ann, bob];
}

/** Nothing failed, nothing was forbidden, and no token was in an address. */
async function part(...people: Person[]): Promise<void> {
  for (const person of people) {
    assert.deepEqual(person.complaints, []);
    for (const url of person.requested) assert.doesNotMatch(url, /eyJ|token=/, "a token is in an address");
    await person.close();
  }
}

test("two people on two nodes talk: messages, typing, marks, edits, replies, reactions, deletions", async () => {
  const [ann, bob] = await two();
  assert.notEqual(await ann.node(), await bob.node());

  const markup = `<img src=x onerror="document.title='hurt'"> <b>Hello</b> Bob & all`;
  await ann.say(markup);
  await bob.sees(markup);
  assert.equal(await bob.page.locator(".messages img, .messages b").count(), 0, "markup is text");
  await ann.hasComeTo(markup, "read");

  // He goes on until she has seen it: it ends soon after the last key.
  const typing = ann.page.locator(".head-sub.is-typing", { hasText: "Bob is typing" });
  await eventually(async () => {
    await bob.input.pressSequentially("Hi");
    return typing.isVisible();
  });
  await bob.say("Hi Ann, see https://example.org/page.");
  await ann.sees("Hi Ann, see https://example.org/page.");
  await ann.page.locator(".head-sub.is-typing").waitFor({ state: "detached" });
  const link = ann.page.locator(".messages a");
  assert.equal(await link.getAttribute("href"), "https://example.org/page");
  assert.equal(await link.getAttribute("rel"), "noopener noreferrer nofollow");

  // Twice before it is kept.
  await ann.input.fill("Once");
  await ann.input.evaluate((box) => {
    const enter = { key: "Enter", bubbles: true, cancelable: true };
    for (let n = 0; n < 2; n += 1) box.dispatchEvent(new KeyboardEvent("keydown", enter));
  });
  await bob.sees("Once");

  await ann.say("A tyop");
  await bob.sees("A tyop");
  // Her own page has it, as her last.
  await ann.hasComeTo("A tyop", "read");
  assert.equal(await bob.page.locator(".messages").getByText("Once", { exact: true }).count(), 1);
  await ann.input.press("ArrowUp");
  await ann.say("A typo");
  await bob.sees("A typo");
  await bob.act("A typo", "React", "React with 🎉");
  await ann.message("A typo").getByRole("button", { name: "🎉 by Bob" }).waitFor();
  await bob.act("A typo", "Reply");
  await bob.say("No harm done");
  await ann.message("No harm done").getByRole("button", { name: "In reply to You: A typo" }).waitFor();
  await ann.act("A typo", "Delete");
  await ann.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await bob.message("Message deleted").waitFor();
  await part(ann, bob);
});

test("what is typed, and what was said, outlives a reload; the count of unread is right", async () => {
  const [ann, bob] = await two();
  await ann.say("One");
  await bob.sees("One");
  await ann.input.pressSequentially("half a thou");
  await ann.page.reload();
  await ann.isLive();
  await ann.sees("One");
  assert.equal(await ann.input.inputValue(), "half a thou");

  await bob.page.goto(`${node2}/#/`);
  await bob.inList("Ann").waitFor();
  for (const text of ["Two", "Three"]) await ann.say(text);
  await bob.inList("Ann").locator(".badge", { hasText: "2" }).waitFor();
  // By keys alone.
  const { keyboard } = bob.page;
  await keyboard.press("Control+k");
  await keyboard.type("an");
  await keyboard.press("Enter");
  await bob.page.locator(".unread-line").waitFor();
  await bob.inList("Ann").locator(".badge").waitFor({ state: "detached" });
  await ann.hasComeTo("Three", "read");
  await bob.page.getByRole("log").focus();
  for (const key of ["ArrowUp", "ArrowUp", "r"]) await keyboard.press(key);
  await bob.page.getByText("Reply to Ann").waitFor();
  await keyboard.type("To two");
  await keyboard.press("Enter");
  await ann.message("To two").getByRole("button", { name: "In reply to You: Two" }).waitFor();
  await part(ann, bob);
});

test("without a network the page opens, shows what it had, keeps what is said, and merges", async (context) => {
  const [ann, bob] = await two();
  await ann.say("Before");
  await bob.sees("Before");
  // The service worker has the page.
  await ann.page.evaluate(async () => void (await navigator.serviceWorker.ready));
  await eventually(() => ann.page.evaluate(() => navigator.serviceWorker.controller !== null));

  await ann.context.setOffline(true);
  const measured = await ann.measure();
  await ann.page.reload();
  await ann.sees("Before");
  const script = await measured();
  context.diagnostic(`${script.toFixed(0)} ms of script until the page shows what it had`);
  assert.ok(script > 1 && script < MOST_SCRIPT_MS);
  await ann.say("Said offline");
  await ann.say("And this");
  // Said is what is shown so: until then it stands in the box, also after a reload.
  await ann.sees("And this");
  await ann.page.reload();
  await ann.sees("And this");
  await ann.connection.getByText("2 to be sent").waitFor();
  await bob.say("Meanwhile");
  await bob.sees("Meanwhile");

  await ann.context.setOffline(false);
  await ann.isLive();
  const all = ["Before", "Meanwhile", "Said offline", "And this"];
  for (const person of [ann, bob]) {
    await eventually(async () => (await person.texts()).length === all.length);
    assert.deepEqual(await person.texts(), all);
  }
  await bob.hasComeTo("Meanwhile", "read");
  await part(ann, bob);
});

test("a long history is read a part at a time, from end to end, and by date", async () => {
  const [ann, bob] = await two();
  // Through the page's own library, since typing takes longer.
  const id = await ann.page.evaluate(() => location.hash.split("/")[2] ?? "");
  const session = await ann.page.evaluate(() => JSON.parse(localStorage.getItem("starling.session") ?? "{}"));
  const count = 700;
  for (let from = 1; from <= count; from += 50) {
    const posts = Array.from({ length: 50 }, async (_, index) => {
      const response = await fetch(`${node1}/v1/conversations/${id}/messages`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${session.access}` },
        body: JSON.stringify({ client_id: `long-${from + index}`, text: `Line ${from + index}` }),
      });
      assert.equal(response.ok, true, await response.text());
    });
    await Promise.all(posts);
  }
  await ann.page.reload();
  await eventually(async () => (await ann.texts()).length > 20);
  const rows = () => ann.page.locator("article.message").count();
  const log = ann.page.getByRole("log");
  let most = 0;
  await eventually(async () => {
    await log.evaluate((element) => element.scrollTo({ top: 0 }));
    most = Math.max(most, await rows());
    return ann.page.getByText("The conversation begins here").isVisible();
  }, MANY_PAGES_MS);
  assert.ok(most <= 600, `${most} messages are on the page at a time`);
  assert.ok((await rows()) <= 400, "what is far from what is seen is off the page");
  await ann.page.getByRole("button", { name: "To the newest messages" }).click();
  await eventually(() =>
    log.evaluate((element) => element.scrollHeight - element.clientHeight - element.scrollTop < 30),
  );

  // A device that has nothing of it goes to a day far back at once, follows what changes there, and reads on to the end.
  const other = await ann.device(browser);
  await other.signInAgain(node2);
  await other.open("Bob");
  const last = (await ann.texts()).at(-1) ?? "";
  await other.sees(last);
  await other.page.getByRole("button", { name: "Jump to a date" }).click();
  await other.page.getByRole("button", { name: "Jump", exact: true }).click();
  await other.page.getByText("The conversation begins here").waitFor();
  await bob.page.goto(`${node2}/#/c/${id}/2`);
  const first = (await other.texts())[0] ?? "";
  await bob.act(first, "React", "React with 👀");
  await other.message(first).getByRole("button", { name: "👀 by Bob" }).waitFor();
  const list = other.page.getByRole("log");
  await eventually(async () => {
    await list.evaluate((element) => element.scrollTo({ top: element.scrollHeight }));
    return (await other.texts()).at(-1) === last;
  }, MANY_PAGES_MS);
  const places = () =>
    other.page
      .locator("article.message")
      .evaluateAll((all) => all.map(({ dataset }) => Number(dataset["seq"])));
  const seqs = await places();
  assert.deepEqual(
    seqs,
    Array.from(seqs, (_, index) => (seqs[0] ?? 0) + index),
    "none is missing between",
  );
  await part(ann, bob, other);
});

test("two tabs are one: what one does the other shows, and signing out ends both", async () => {
  const [ann, bob] = await two();
  const second = await ann.tab();
  await second.page.goto(node1);
  await second.open("Bob");
  await second.say("From the second tab");
  for (const person of [ann, second, bob]) await person.sees("From the second tab");
  await ann.say("From the first");
  await second.sees("From the first");
  assert.deepEqual(await second.texts(), await ann.texts());

  await second.page.getByRole("button", { name: "profile and settings" }).click();
  await second.page.getByRole("button", { name: "Sign out", exact: true }).click();
  await second.page.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
  for (const { page } of [second, ann]) await page.getByLabel("Phone number").waitFor();
  const left = await second.page.evaluate(async () => ({
    databases: (await indexedDB.databases()).length,
    kept: Object.keys(localStorage).filter((name) => name !== "starling.phone"),
  }));
  assert.deepEqual(left, { databases: 0, kept: [] });

  // Browsers draw what is behind another tab but once a second.
  await ann.page.bringToFront();
  await ann.signInAgain(node2);
  await ann.open("Bob");
  await ann.sees("From the first");
  await part(bob, second, ann);
});

test("on a phone one thing is seen at a time, and all of it fits", async () => {
  const bob = await (await Person.make(browser, "Bob")).signIn(node2);
  const phone = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };
  const ann = await (await Person.make(browser, "Ann", phone)).signIn(node1);
  await ann.beginWith(bob);
  const { page } = ann;
  assert.equal(await ann.inList("Bob").isVisible(), false);
  await ann.input.fill("A word that does not end: ".padEnd(300, "x"));
  await page.getByRole("button", { name: "Send" }).tap();
  await page.locator("[data-progress=delivered], [data-progress=read]").waitFor();
  await page.locator("article.message").tap();
  await page.getByRole("button", { name: "React", exact: true }).tap();
  await page.getByRole("button", { name: "React with 🎉" }).tap();
  await page.getByRole("button", { name: "🎉 by You" }).waitFor();
  const isWide = () => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(await isWide(), false);
  await page.getByRole("button", { name: "Back to the list" }).tap();
  await ann.inList("Bob").waitFor();
  assert.equal(await ann.input.isVisible(), false);
  assert.equal(await isWide(), false);
  await part(ann, bob);
});

test("groups: members, roles, and what a removed member sees", async () => {
  const [ann, bob] = await two();
  const { page } = ann;
  await page.getByRole("button", { name: "New conversation" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Group", exact: true }).click();
  await dialog.getByLabel("Name", { exact: true }).fill("Crew");
  await dialog.getByRole("button", { name: "Bob" }).click();
  await dialog.getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: "Crew" }).waitFor();
  await ann.say("Welcome");
  await bob.open("Crew");
  await bob.sees("Welcome");

  await page.getByRole("button", { name: "About this conversation" }).click();
  await dialog.getByLabel("Role of Bob").selectOption("moderator");
  await bob.page.getByText("Ann made you a moderator").waitFor();
  await dialog.getByLabel("Do something about Bob").selectOption("remove");
  await bob.page.getByText("You are no member of this conversation any more.").waitFor();

  // He comes back by an invite, and may not speak for a while.
  await dialog.getByRole("button", { name: "Make one" }).click();
  const invite = await dialog.getByLabel("Give this to whom you invite").inputValue();
  await bob.page.getByRole("button", { name: "New conversation" }).first().click();
  await bob.page.getByRole("button", { name: "Join one" }).click();
  await bob.page.getByLabel("Invite, or the id").fill(invite);
  await bob.page.getByRole("button", { name: "Join", exact: true }).click();
  await bob.page.getByText("You joined by an invite").waitFor();
  await dialog.getByLabel("Do something about Bob").selectOption("hour");
  await bob.page.getByText("Ann muted you").waitFor();
  await bob.say("But why?");
  await bob.page.getByText("Not sent: you are muted").waitFor();
  await dialog.getByRole("button", { name: "Let speak" }).click();
  await bob.page.getByText("Ann unmuted you").waitFor();
  await bob.page.getByRole("button", { name: "Try again" }).click();
  await page.keyboard.press("Escape");
  await ann.sees("But why?");
  await part(ann, bob);
});

test("a token of one's own will do to sign in, and what is no token is refused with a sentence", async () => {
  const user = `issued-${inventedPhone().slice(1)}`;
  const ann = await Person.make(browser, "Ann");
  const { page } = ann;
  await page.goto(node1);
  await page.getByLabel("Phone number").fill("12");
  await page.getByRole("button", { name: "Send me a code" }).click();
  await page.getByRole("alert").getByText("phone").waitFor();
  await page.getByRole("button", { name: "Use an access token instead" }).click();
  const token = page.getByLabel("Access token");
  for (const [given, problem] of [
    ["nonsense", "This is no token that names a user and an end."],
    [`${mint(cluster, user)}x`, "token"],
  ] as const) {
    await token.fill(given);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText(problem).waitFor();
  }
  await token.fill(mint(cluster, user));
  await page.getByRole("button", { name: "Sign in" }).click();
  await ann.isLive();
  await page.getByRole("button", { name: new RegExp(`^${user} .*profile and settings`) }).waitFor();
  await part(ann);
});

/** Last: it takes a node away. */
test("who loses his node goes on at another one", async () => {
  const [ann, bob] = await two([cluster.front, cluster.front]);
  await ann.say("Here");
  await bob.sees("Here");
  const lostNode = await ann.node();
  const lost = cluster.nodes.find(({ id }) => id === lostNode);
  assert.ok(lost?.pid, `the page names the node that serves it: ${lostNode}`);
  await ann.input.pressSequentially("still typ");
  kill(lost.pid, "SIGKILL");
  await eventually(async () => (await ann.node()) !== lostNode);
  assert.equal(await ann.input.inputValue(), "still typ");
  await ann.say("Still here");
  await bob.sees("Still here");
  await bob.say("So am I");
  await ann.sees("So am I");
  await part(ann, bob);
});
