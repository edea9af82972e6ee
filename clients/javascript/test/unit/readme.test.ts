/** The examples of README.md run, and print what it says. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { FakeCluster } from "../support/cluster.js";
import { examples } from "../support/readme.js";
import { FakeServer } from "../support/sockets.js";

test("the example for Node", async () => {
  const cluster = new FakeCluster();
  const server = await FakeServer.start(cluster);
  const file = fileURLToPath(new URL("readme_example.mjs", import.meta.url));
  try {
    const [code] = examples("js", server.origin) as [string];
    const [output] = examples("text", server.origin) as [string];
    await writeFile(file, code);
    const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 60_000 });
    assert.equal(stdout, output);
    const entries = cluster.logs.get("d.ann-bob")?.entries ?? [];
    assert.deepEqual(
      entries.map(({ body }) => Object.keys(body)),
      [["created"], ["message"], ["reacted"]],
    );
  } finally {
    await rm(file, { force: true });
    await server.stop();
  }
});
