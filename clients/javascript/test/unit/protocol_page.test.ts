/** docs/protocol.md says what this library does. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { reconnectAfter } from "../../src/closing.js";
import { decode } from "../../src/frame.js";
import { LIMITS, REPLY_TO, SUBPROTOCOL } from "../../src/index.js";

const PAGE = readFileSync(new URL("../../../../../docs/protocol.md", import.meta.url), "utf8");

function examples(side: "client" | "server"): string[] {
  const blocks = [...PAGE.matchAll(new RegExp(`^\`\`\`json ${side}\\n(.*?)^\`\`\``, "gms"))];
  return blocks.flatMap(([, block]) => (block as string).trim().split("\n"));
}

test("every example of the server can be read", () => {
  const frames = examples("server");
  assert.ok(frames.length >= 20);
  for (const frame of frames) {
    const incoming = decode(frame);
    assert.notEqual(incoming.is, "malformed", frame);
    assert.notEqual(incoming.is, "unknown", frame);
    if (incoming.is === "reply") {
      const [type] = Object.keys(incoming.ok);
      assert.ok((Object.values(REPLY_TO) as string[]).includes(type as string), frame);
    }
  }
});

test("every command is known, with the reply that answers it", () => {
  const commands = new Set(
    examples("client").map(
      (frame) => Object.keys(JSON.parse(frame) as object).find((key) => key !== "id") as string,
    ),
  );
  assert.ok(commands.size >= 15);
  for (const command of commands) assert.ok(command in REPLY_TO, command);
  const rows = [...PAGE.matchAll(/^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|/gm)];
  const documented = rows.flatMap(([, reply, names]) =>
    [...(names as string).matchAll(/`(\w+)`/g)].map(([, name]) => [name as string, reply as string] as const),
  );
  assert.ok(documented.length >= commands.size);
  for (const [name, reply] of documented)
    assert.equal((REPLY_TO as Record<string, string>)[name], reply, name);
});

test("every close code means what the page says", () => {
  const rows = [...PAGE.matchAll(/^\| (4\d{3}) \| `[^`]+` \| (\w+) \|/gm)];
  assert.ok(rows.length >= 10);
  for (const [, code, reconnect] of rows) assert.equal(reconnectAfter(Number(code)), reconnect, code);
});

test("limits and subprotocol are the page's", () => {
  const limit = (name: string) => {
    const row = PAGE.split("\n").find((line) => line.startsWith(`| ${name} |`));
    return Number(row?.split("|")[2]?.replaceAll(",", ""));
  };
  assert.equal(LIMITS.frameBytes, limit("bytes of a frame from the client"));
  assert.equal(LIMITS.cursors, limit("cursors in one `sync`"));
  assert.equal(LIMITS.historyPage, limit("entries in a page of history"));
  assert.equal(LIMITS.clientIdBytes, limit("bytes of a client id (without control characters)"));
  assert.ok(PAGE.includes(`| \`${SUBPROTOCOL}\` | JSON | text |`));
});
