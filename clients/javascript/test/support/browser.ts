/** The system's Chromium. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";

import { type Browser, chromium } from "playwright-core";

export function launch(): Promise<Browser> {
  const { STARLING_CHROMIUM } = process.env;
  const places = [
    STARLING_CHROMIUM,
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
  ];
  const executablePath = places.find((place) => place !== undefined && existsSync(place));
  assert.ok(executablePath, "chromium is missing: install your system's, or name it in STARLING_CHROMIUM");
  return chromium.launch({ executablePath, args: ["--no-sandbox"] });
}
