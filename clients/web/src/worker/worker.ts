/**
 * The service worker: keeps the page itself, so that it opens at once, and also without a network.
 *
 * Constraints: it answers for the files of the page and for nothing else, never for the API. All files of one build are
 * kept together and thrown away together, so that no page is put together from two builds.
 */

/** What the build puts in place: the paths of the page's files, and a name for exactly these. */
declare const FILES: readonly string[];
declare const BUILD: string;

const worker = globalThis as unknown as ServiceWorkerGlobalScope;
const CACHE = `starling-page-${BUILD}`;
const PREFIX = "starling-page-";

worker.addEventListener("install", (event) => {
  event.waitUntil(keep());
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(takeOver());
});

/** The page has asked the user, who wants the new build now. */
worker.addEventListener("message", (event) => {
  if (event.data === "take over") void worker.skipWaiting();
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== worker.location.origin) return;
  if (FILES.includes(url.pathname)) event.respondWith(answer(url.pathname, request));
});

/** From the network, whatever the browser's own cache holds: a build is kept whole or not at all. */
async function keep(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((path) => new Request(path, { cache: "reload" })));
}

async function takeOver(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.clients.claim();
}

async function answer(path: string, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(path)) ?? fetch(request);
}
