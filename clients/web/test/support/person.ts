/** Somebody with a browser, who does what people do with the page: sees, clicks and types. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";

import { type Browser, type BrowserContext, chromium, type Locator, type Page } from "playwright-core";

import { inventedPhone } from "./cluster.js";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export function launch(): Promise<Browser> {
  const places = [process.env["STARLING_CHROMIUM"], ...PLACES];
  const executablePath = places.find((place) => place !== undefined && existsSync(place));
  assert.ok(executablePath, "chromium is missing: install your system's, or name it in STARLING_CHROMIUM");
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update"],
  });
}

export class Person {
  /** What the browser complained about: scripts that failed, things that the page's policy forbids. */
  readonly complaints: string[] = [];
  readonly requested: string[] = [];

  private constructor(
    readonly name: string,
    readonly phone: string,
    readonly context: BrowserContext,
    readonly page: Page,
  ) {
    page.setDefaultTimeout(30_000);
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      if (/Content Security Policy|TrustedScript/i.test(message.text())) this.complaints.push(message.text());
    });
    page.on("request", (request) => this.requested.push(request.url()));
    page.on("websocket", (socket) => this.requested.push(socket.url()));
  }

  static async make(
    browser: Browser,
    name: string,
    options: Parameters<Browser["newContext"]>[0] = {},
  ): Promise<Person> {
    const context = await browser.newContext({ viewport: { width: 1_100, height: 720 }, ...options });
    return new Person(name, inventedPhone(), context, await context.newPage());
  }

  /** The same person in another tab. */
  async tab(): Promise<Person> {
    return new Person(this.name, this.phone, this.context, await this.context.newPage());
  }

  /** The same person with another device. */
  async device(browser: Browser, options: Parameters<Browser["newContext"]>[0] = {}): Promise<Person> {
    const context = await browser.newContext({ viewport: { width: 1_100, height: 720 }, ...options });
    return new Person(this.name, this.phone, context, await context.newPage());
  }

  /** Opens the page of a node and signs in, for the first time. */
  async signIn(url: string): Promise<this> {
    const { page } = this;
    await this.signInAgain(url);
    await page.getByLabel("Your name").fill(this.name);
    await page.getByRole("button", { name: "Begin" }).click();
    await this.isLive();
    return this;
  }

  /** Opens the page of a node and signs in; who is new is asked for a name then. */
  async signInAgain(url: string): Promise<this> {
    const { page } = this;
    await page.goto(url);
    await page.getByLabel("Phone number").fill(this.phone);
    await page.getByRole("button", { name: "Send me a code" }).click();
    const shown = await page.getByRole("note").locator("strong").textContent();
    await page.getByLabel("Code", { exact: true }).fill(shown ?? "");
    await page.getByRole("button", { name: "Sign in" }).click();
    return this;
  }

  get connection(): Locator {
    return this.page.locator(".connection");
  }

  isLive(): Promise<void> {
    return this.page.locator(".connection[data-phase=live]").waitFor();
  }

  /** Begins to measure; what it returns says for how many milliseconds scripts have run since. */
  async measure(): Promise<() => Promise<number>> {
    const session = await this.context.newCDPSession(this.page);
    await session.send("Performance.enable");
    const duration = async () => {
      const { metrics } = await session.send("Performance.getMetrics");
      return 1_000 * (metrics.find(({ name }) => name === "ScriptDuration")?.value ?? Infinity);
    };
    const before = await duration();
    return async () => (await duration()) - before;
  }

  /** The node that serves now. */
  async node(): Promise<string> {
    await this.isLive();
    return (await this.connection.getAttribute("data-node")) ?? "";
  }

  /** Begins a conversation with someone whose number is known. */
  async beginWith(other: Person): Promise<void> {
    const { page } = this;
    await page.getByRole("button", { name: "New conversation" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("With whom?").fill(other.phone);
    await dialog.getByText(other.phone, { exact: true }).click();
    await this.input.waitFor();
  }

  async open(title: string): Promise<void> {
    await this.inList(title).click();
    await this.input.waitFor();
  }

  /** A conversation in the list. */
  inList(title: string): Locator {
    return this.page
      .locator("a.conversation")
      .filter({ has: this.page.locator(".title", { hasText: title }) });
  }

  get input(): Locator {
    return this.page.locator(".composer textarea");
  }

  async say(text: string): Promise<void> {
    await this.input.fill(text);
    await this.input.press("Enter");
  }

  /** The message that says this. */
  message(text: string): Locator {
    const { page } = this;
    return page
      .locator("article.message")
      .filter({ has: page.locator(".bubble > .text").getByText(text, { exact: true }) });
  }

  async sees(text: string): Promise<void> {
    await this.message(text).first().waitFor();
  }

  /** All that is said, in the order in which it is shown. */
  texts(): Promise<string[]> {
    return this.page.locator("article.message .bubble > .text").allTextContents();
  }

  /** How far the message has come. */
  hasComeTo(text: string, progress: "sent" | "delivered" | "read"): Promise<void> {
    return this.message(text).locator(`[data-progress=${progress}]`).waitFor();
  }

  /** Does something with a message, by the buttons that it shows. */
  async act(text: string, ...buttons: string[]): Promise<void> {
    await this.message(text).hover();
    for (const name of buttons) await this.message(text).getByRole("button", { name, exact: true }).click();
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}

/** Waits until it is so. */
export async function eventually(isSo: () => Promise<boolean>, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`not so within ${ms} ms: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
