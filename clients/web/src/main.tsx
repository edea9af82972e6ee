/** Where the page begins: opens what is on this device for the user who is signed in, or lets somebody sign in. */

import { render } from "preact";

import { Chat } from "./chat.js";
import { keepPage } from "./page_keeper.js";
import { signedIn } from "./session.js";
import { sentence, showTheme } from "./ui.js";
import { App } from "./views/app.js";
import { Failed } from "./views/failed.js";
import { SignIn } from "./views/sign_in.js";

const root = document.getElementById("app") as HTMLElement;

async function begin(user: string): Promise<void> {
  try {
    const chat = await Chat.open(user);
    render(<App chat={chat} />, root);
    addEventListener("pagehide", (event) => {
      if (!event.persisted) chat.close();
    });
    // Another tab has signed out, or signed in somebody else.
    addEventListener("storage", ({ key }) => {
      if (key === "starling.session" && signedIn()?.user !== user) location.reload();
    });
  } catch (error) {
    render(<Failed message={sentence(error)} />, root);
  }
}

showTheme();
const user = signedIn()?.user;
if (user !== undefined) void begin(user);
else
  render(
    <main class="entrance">
      <SignIn onSignedIn={(user) => void begin(user)} />
    </main>,
    root,
  );
keepPage();
