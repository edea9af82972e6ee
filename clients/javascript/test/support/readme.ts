/** The examples of README.md. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const README = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");

/** The blocks of this kind, with an address and a token that are good for `origin`. */
export function examples(kind: string, origin: string): string[] {
  const blocks = [...README.matchAll(new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\``, "gms"))];
  assert.ok(blocks.length > 0, `README.md has no block of ${kind}`);
  return blocks.map(([, block]) =>
    (block as string).replaceAll("127.0.0.1:8080", origin).replaceAll("<ann's token>", "ann"),
  );
}
