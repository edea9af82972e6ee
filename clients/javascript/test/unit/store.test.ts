/** The store in memory does what every store does. The one in IndexedDB runs the same cases in a browser. */

import { test } from "node:test";

import { MemoryStore } from "../../src/index.js";
import { STORE_CASES } from "../support/store_cases.js";

for (const { name, run } of STORE_CASES) test(name, () => run(new MemoryStore()));
