/** How the connection is, which node serves, and what waits to be sent. */

import { useChat } from "./context.js";
import { dialog, hasNetwork } from "../ui.js";

export function Connection() {
  const chat = useChat();
  const { phase, node, ended } = chat.status.value;
  const waiting = chat.outbox.value.filter(({ failed }) => !failed).length;
  const words = {
    live: "Connected",
    ready: "Catching up…",
    away: hasNetwork.value ? "Connecting…" : "Offline",
    ended: "Not connected",
  }[phase];
  const isSignedOut = ended?.reason === "unauthenticated" || ended?.reason === "signed_out";
  return (
    <div class={`connection ${phase}`} role="status" data-phase={phase} data-node={node ?? ""}>
      <span class="lamp" aria-hidden="true" />
      <span class="connection-text">
        {words}
        {node && (phase === "live" || phase === "ready") && <span class="muted"> · {node}</span>}
        {waiting > 0 && phase !== "live" && <span class="muted"> · {waiting} to be sent</span>}
      </span>
      {isSignedOut && (
        <button type="button" class="link" onClick={() => (dialog.value = { show: "sign-in" })}>
          Sign in again
        </button>
      )}
      {ended && !isSignedOut && (
        <button
          type="button"
          class="link"
          title={ended.message}
          onClick={() => (ended.reason === "store" ? location.reload() : chat.replica.connect())}
        >
          Try again
        </button>
      )}
      <button type="button" class="link quiet" onClick={() => (dialog.value = { show: "keys" })}>
        Keys
      </button>
    </div>
  );
}
