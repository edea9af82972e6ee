/** Has the service worker keep the page, and offers a newer build when there is one. */

import { tell } from "./ui.js";

const LOOK_EVERY_MS = 3_600_000;
const WORKER = "/worker.js";

/** Browsers that know trusted types: the page's policy lets nothing else but this become the address of a script. */
interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL: (address: string) => string },
  ): { createScriptURL(address: string): string };
}

function workerAddress(): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  return (
    trustedTypes?.createPolicy("starling", { createScriptURL: () => WORKER }).createScriptURL(WORKER) ??
    WORKER
  );
}

export function keepPage(): void {
  // Only over HTTPS, or from this machine.
  if (!("serviceWorker" in navigator)) return;
  const { serviceWorker } = navigator;
  let isKept = serviceWorker.controller !== null;
  serviceWorker.addEventListener("controllerchange", () => {
    // The first one changes nothing; another build does. What is typed is kept, so nothing is lost by this.
    if (isKept) location.reload();
    isKept = true;
  });
  serviceWorker.register(workerAddress()).then(
    (registration) => {
      const offer = () => {
        const { waiting } = registration;
        if (!waiting || !serviceWorker.controller) return;
        tell("There is a newer version of this page.", {
          name: "Use it",
          run: () => waiting.postMessage("take over"),
        });
      };
      offer();
      registration.addEventListener("updatefound", () => {
        const { installing } = registration;
        installing?.addEventListener("statechange", () => {
          if (installing.state === "installed") offer();
        });
      });
      setInterval(() => void registration.update().catch(() => undefined), LOOK_EVERY_MS);
    },
    (error) => console.warn("the page cannot be kept for times without a network:", error),
  );
}
