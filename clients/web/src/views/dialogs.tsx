/** Which dialog is open. */

import { attempt, dialog } from "../ui.js";
import { ContactsDialog } from "./contacts_dialog.js";
import { useChat } from "./context.js";
import { DateDialog } from "./date_dialog.js";
import { DetailsDialog } from "./details_dialog.js";
import { KeysDialog } from "./keys_dialog.js";
import { MessageDialog } from "./message_dialog.js";
import { Modal } from "./modal.js";
import { NewDialog } from "./new_dialog.js";
import { PersonDialog } from "./person_dialog.js";
import { ProfileDialog } from "./profile_dialog.js";
import { SignIn } from "./sign_in.js";

export const close = () => (dialog.value = undefined);

export function Dialogs() {
  const chat = useChat();
  const open = dialog.value;
  switch (open?.show) {
    case undefined:
      return null;
    case "new":
      return <NewDialog />;
    case "contacts":
      return <ContactsDialog />;
    case "profile":
      return <ProfileDialog />;
    case "keys":
      return <KeysDialog />;
    case "details":
      return <DetailsDialog key={open.conversation} id={open.conversation} />;
    case "person":
      return open.user === chat.me ? <ProfileDialog /> : <PersonDialog key={open.user} user={open.user} />;
    case "message":
      return <MessageDialog id={open.conversation} seq={open.seq} />;
    case "date":
      return <DateDialog id={open.conversation} />;
    case "sign-in":
      return (
        <Modal title="Sign in again" onClose={close}>
          <SignIn
            note="Your session is over. What is on this device stays, and is sent when you are back."
            onSignedIn={(user) => {
              close();
              if (user === chat.me) chat.replica.connect();
              else location.reload();
            }}
          />
        </Modal>
      );
    case "confirm":
      return (
        <Modal title={open.title} onClose={close}>
          <p>{open.text}</p>
          <div class="actions">
            <button type="button" onClick={close}>
              Cancel
            </button>
            <button
              type="button"
              class="danger"
              onClick={() => {
                close();
                void attempt(open.confirmed);
              }}
            >
              {open.action}
            </button>
          </div>
        </Modal>
      );
  }
}
