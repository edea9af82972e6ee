import { dialog } from "../ui.js";
import { Modal } from "./modal.js";
import { PeoplePicker } from "./people_picker.js";

/** The people whom this user knows. */
export function ContactsDialog() {
  return (
    <Modal title="Contacts" onClose={() => (dialog.value = undefined)}>
      <PeoplePicker label="Find or add" onChoose={(user) => (dialog.value = { show: "person", user })} />
    </Modal>
  );
}
