/** Takes the pictures for the docs: `STARLING_CLUSTER=… node dist/test/screenshots.js FOLDER`. Looked at by people. */

import { mkdirSync } from "node:fs";

import { theCluster } from "./support/cluster.js";
import { launch, Person } from "./support/person.js";

const folder = process.argv[2] ?? "dist/screenshots";
mkdirSync(folder, { recursive: true });
const { nodes } = theCluster();
const [node1, node2] = nodes.map(({ url }) => url) as [string, string];
const browser = await launch();

const ann = await Person.make(browser, "Ann Lindqvist", { viewport: { width: 1_180, height: 760 } });
await ann.page.goto(node1);
await ann.page.getByLabel("Phone number").fill(ann.phone);
await ann.page.screenshot({ path: `${folder}/sign-in.png` });
await ann.signIn(node1);
await ann.page.screenshot({ path: `${folder}/empty.png` });
const bob = await (await Person.make(browser, "Bob Okafor")).signIn(node2);
const eve = await (await Person.make(browser, "Eve Marchetti")).signIn(node2);
const zoe = await (await Person.make(browser, "Zoë Tran")).signIn(node1);

for (const other of [zoe, eve, bob]) await ann.beginWith(other);
await ann.page.getByRole("button", { name: "New conversation" }).first().click();
const dialog = ann.page.getByRole("dialog");
await dialog.getByRole("button", { name: "Group", exact: true }).click();
await dialog.getByLabel("Name", { exact: true }).fill("Night sky club");
for (const name of ["Bob", "Eve", "Zoë"]) await dialog.getByRole("button", { name }).click();
await ann.page.screenshot({ path: `${folder}/new-group.png` });
await dialog.getByRole("button", { name: "Create" }).click();
await ann.page.getByRole("heading", { name: "Night sky club" }).waitFor();

for (const person of [bob, eve, zoe]) await person.open("Night sky club");
await ann.say("Clear sky tomorrow from ten on, says the forecast. Who comes to the hill?");
await bob.sees("Clear sky tomorrow from ten on, says the forecast. Who comes to the hill?");
await bob.say("I do, and I bring the big one.");
await bob.say("Saturn is up until two.");
await ann.sees("Saturn is up until two.");
await eve.say("In! Can somebody take me along from the station?");
await ann.sees("In! Can somebody take me along from the station?");
await bob.act("In! Can somebody take me along from the station?", "Reply");
await bob.say("Half past nine, at the back exit?");
await ann.sees("Half past nine, at the back exit?");
await eve.act("Half past nine, at the back exit?", "React", "React with 👍");
await ann.act("Half past nine, at the back exit?", "React", "React with 👍");
await ann.say("Then we are four. The map is at https://example.org/hill, and <b>bring gloves</b>.");
await zoe.sees("Then we are four. The map is at https://example.org/hill, and <b>bring gloves</b>.");
await zoe.say("🎉🔭");
await ann.sees("🎉🔭");
await zoe.open("Ann Lindqvist");
await zoe.say("Shall I bring tea, or is there enough?");
await eve.open("Ann Lindqvist");
await eve.say("The slides are done, have a look.");
await eve.say("Page seven is new.");
await ann.inList("Eve Marchetti").locator(".badge").waitFor();
await ann.open("Bob Okafor");
await ann.input.fill("About the mount: ");
await ann.open("Night sky club");
await bob.input.pressSequentially("And ");
await ann.page.locator(".head-sub.is-typing").waitFor();
await ann.page.mouse.move(600, 5);
await ann.page.screenshot({ path: `${folder}/desktop.png` });

await ann.message("I do, and I bring the big one.").hover();
await ann.page.screenshot({ path: `${folder}/tools.png` });
await ann.page.emulateMedia({ colorScheme: "dark" });
await ann.page.mouse.move(600, 5);
await ann.page.screenshot({ path: `${folder}/dark.png` });
await ann.page.getByRole("button", { name: "About this conversation" }).click();
await dialog.getByLabel("Role of Bob Okafor").waitFor();
await ann.page.screenshot({ path: `${folder}/details.png` });
await ann.page.keyboard.press("Escape");
await ann.page.getByRole("button", { name: "profile and settings" }).click();
await dialog.getByLabel("Status").fill("On the hill");
await dialog.getByRole("button", { name: "Save" }).click();
await dialog.waitFor({ state: "detached" });
await ann.page.getByRole("button", { name: "Dismiss" }).click();
await ann.page.emulateMedia({ colorScheme: "light" });
await ann.page.getByRole("button", { name: "profile and settings" }).click();
await ann.page.screenshot({ path: `${folder}/profile.png` });
await ann.page.keyboard.press("Escape");

await ann.page.setViewportSize({ width: 390, height: 780 });
await ann.page.screenshot({ path: `${folder}/phone-pane.png` });
await ann.page.getByRole("button", { name: "Back to the list" }).click();
await ann.page.screenshot({ path: `${folder}/phone-list.png` });
await ann.page.getByRole("button", { name: "Contacts" }).click();
await ann.page.screenshot({ path: `${folder}/phone-contacts.png` });
await ann.page.keyboard.press("Escape");
await ann.open("Eve Marchetti");
await ann.context.setOffline(true);
await ann.page.reload();
await ann.say("I will, as soon as I am out of this tunnel.");
await ann.sees("I will, as soon as I am out of this tunnel.");
await ann.page.locator(".away-note").waitFor();
await ann.page.screenshot({ path: `${folder}/phone-offline.png` });
for (const person of [ann, bob, eve, zoe]) console.log(person.name, person.complaints);
await browser.close();
