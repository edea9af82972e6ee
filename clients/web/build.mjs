/**
 * Builds the page into crates/starling-web/assets, where `cargo build` takes it from. With `--verify` it writes nothing,
 * and fails where what is there is not, to the byte, what these sources make.
 *
 * Everything that goes in is pinned by package-lock.json, and no time, path or machine gets into what comes out.
 */

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ASSETS = fileURLToPath(new URL("../../crates/starling-web/assets/", import.meta.url));
/** What the page weighs on its way, all of it, at most. */
const MAX_COMPRESSED = 150_000;

const OPTIONS = {
  absWorkingDir: HERE,
  bundle: true,
  minify: true,
  write: false,
  charset: "utf8",
  target: ["chrome123", "firefox120", "safari17.5"],
  legalComments: "none",
  logLevel: "warning",
};

/** The files of the page, by name. Those in `assets/` are named by what they hold. */
async function files() {
  const { outputFiles } = await build({
    ...OPTIONS,
    entryPoints: { app: "src/main.tsx", style: "src/styles/main.css" },
    entryNames: "[name]-[hash]",
    outdir: "out",
    format: "esm",
    tsconfig: "src/tsconfig.json",
    jsx: "automatic",
    jsxImportSource: "preact",
  });
  const hashed = new Map(
    outputFiles.map(({ path, contents }) => [path.split("/").at(-1), Buffer.from(contents)]),
  );
  const named = (start) => `assets/${[...hashed.keys()].find((name) => name.startsWith(start))}`;

  const page = await readFile(`${HERE}src/index.html`, "utf8");
  const html = page.replace("{app}", named("app-")).replace("{style}", named("style-"));
  const all = new Map([
    ["index.html", Buffer.from(html)],
    ...[...hashed].map(([name, contents]) => [`assets/${name}`, contents]),
  ]);
  for (const name of ["icon.svg", "manifest.webmanifest"]) {
    all.set(name, await readFile(`${HERE}src/${name}`));
  }

  const paths = [...all.keys()].map((name) => (name === "index.html" ? "/" : `/${name}`)).sort();
  const digest = createHash("sha256");
  for (const contents of all.values()) digest.update(contents);
  const worker = await build({
    ...OPTIONS,
    entryPoints: ["src/worker/worker.ts"],
    tsconfig: "src/worker/tsconfig.json",
    define: { FILES: JSON.stringify(paths), BUILD: JSON.stringify(digest.digest("hex").slice(0, 12)) },
  });
  all.set("worker.js", Buffer.from(worker.outputFiles[0].contents));
  return all;
}

/** The names of what is there now. */
async function present() {
  const entries = await readdir(ASSETS, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      `${(entry.parentPath ?? entry.path) + "/"}${entry.name}`.replace(/\/+/g, "/").slice(ASSETS.length),
    );
}

const built = await files();
const weight = [...built.values()].reduce(
  (sum, contents) => sum + gzipSync(contents, { level: 9 }).length,
  0,
);
if (weight > MAX_COMPRESSED)
  throw new Error(`the page weighs ${weight} bytes compressed, more than ${MAX_COMPRESSED}`);

if (process.argv.includes("--verify")) {
  const there = new Set(await present());
  const stale = [...there].filter((name) => !built.has(name));
  for (const [name, contents] of built) {
    const same = there.has(name) && contents.equals(await readFile(ASSETS + name));
    if (!same) stale.push(name);
  }
  if (stale.length > 0) {
    console.error(`not what these sources make: ${stale.join(", ")}; run \`npm run build\` in clients/web`);
    process.exit(1);
  }
  console.log(`crates/starling-web/assets is what these sources make; ${weight} bytes compressed`);
} else {
  await rm(ASSETS, { recursive: true, force: true });
  await mkdir(`${ASSETS}assets`, { recursive: true });
  for (const [name, contents] of built) await writeFile(ASSETS + name, contents);
  console.log(`${built.size} files, ${weight} bytes compressed`);
}
