/** The page cannot open what is on this device. */

export function Failed({ message }: { message: string }) {
  return (
    <main class="entrance">
      <div class="empty" role="alert">
        <h1>This did not open</h1>
        <p>{message}</p>
        <p class="muted">
          Starling keeps your conversations in this browser's storage; it may be full, or switched off.
        </p>
        <button type="button" class="primary" onClick={() => location.reload()}>
          Try again
        </button>
      </div>
    </main>
  );
}
