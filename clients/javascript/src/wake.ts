/** When a browser says that the network has come or gone, or that somebody looks again. */

/**
 * Calls `woken` then: whoever holds a connection does well to see whether it still is one. Returns what ends that.
 * Elsewhere than in a browser nothing ever happens.
 */
export function onWake(woken: () => void): () => void {
  if (typeof document === "undefined" || typeof addEventListener === "undefined") return () => undefined;
  const seen = () => {
    if (document.visibilityState === "visible") woken();
  };
  addEventListener("online", woken);
  addEventListener("offline", woken);
  document.addEventListener("visibilitychange", seen);
  return () => {
    removeEventListener("online", woken);
    removeEventListener("offline", woken);
    document.removeEventListener("visibilitychange", seen);
  };
}
