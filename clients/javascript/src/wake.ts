/** When a browser says that the network, or somebody who looks, is back. */

/** Calls `woken` then; returns what ends that. Elsewhere than in a browser nothing ever happens. */
export function onWake(woken: () => void): () => void {
  if (typeof document === "undefined" || typeof addEventListener === "undefined") return () => undefined;
  const seen = () => {
    if (document.visibilityState === "visible") woken();
  };
  addEventListener("online", woken);
  document.addEventListener("visibilitychange", seen);
  return () => {
    removeEventListener("online", woken);
    document.removeEventListener("visibilitychange", seen);
  };
}
