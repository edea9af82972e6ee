/** Signing in: a phone number, the code that comes to it, and for those who are new a name. Or a token of one's own. */

import { useEffect, useRef, useState } from "preact/hooks";

import { Api, ask, type Tokens } from "../http.js";
import { keepSession, sessionOf, sessionOfToken } from "../session.js";
import { sentence } from "../ui.js";

type Step =
  | { name: "phone" }
  | { name: "code"; phone: string; shown?: string }
  | { name: "name"; user: string }
  | { name: "token" };

const PHONE = "starling.phone";

export function SignIn({ onSignedIn, note }: { onSignedIn: (user: string) => void; note?: string }) {
  const [step, setStep] = useState<Step>({ name: "phone" });
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [text, setText] = useState(() => localStorage.getItem(PHONE) ?? "");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    input.current?.focus();
    input.current?.select();
  }, [step]);

  const move = (next: Step, text: string) => {
    setProblem("");
    setStep(next);
    setText(text);
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setProblem("");
    try {
      await take(step);
    } catch (error) {
      setProblem(sentence(error));
      input.current?.focus();
    } finally {
      setBusy(false);
    }
  };

  async function take(step: Step): Promise<void> {
    switch (step.name) {
      case "phone": {
        const phone = text.trim();
        const { code } = await ask<{ code?: string }>("POST", "/v1/auth/code", { phone });
        localStorage.setItem(PHONE, phone);
        return move({ name: "code", phone, ...(code === undefined ? {} : { shown: code }) }, code ?? "");
      }
      case "code": {
        const { phone } = step;
        const tokens = await ask<Tokens>("POST", "/v1/auth/token", {
          phone,
          code: text.replace(/\D/g, ""),
          device: deviceName(),
        });
        keepSession(sessionOf(tokens));
        if (tokens.new_user) return move({ name: "name", user: tokens.user }, "");
        return onSignedIn(tokens.user);
      }
      case "name": {
        if (text.trim() !== "") await new Api(step.user).changeMe({ name: text.trim() });
        return onSignedIn(step.user);
      }
      case "token": {
        const session = sessionOfToken(text.trim());
        if (!session) throw new Error("this is no token that names a user and an end");
        await ask("GET", "/v1/contacts?limit=1", undefined, session.access);
        keepSession(session);
        return onSignedIn(session.user);
      }
    }
  }

  const words = WORDS[step.name];
  return (
    <form class="sign-in" onSubmit={submit} noValidate>
      <img class="logo" src="/icon.svg" alt="" width="56" height="56" />
      <h1>{words.title}</h1>
      <p class="muted">
        {step.name === "code" ? `We have sent six digits to ${step.phone}.` : (note ?? words.text)}
      </p>
      <label>
        <span>{words.label}</span>
        <input
          ref={input}
          name={step.name}
          type="text"
          autocomplete={AUTOCOMPLETE[step.name]}
          inputMode={INPUT_MODE[step.name]}
          placeholder={words.placeholder}
          value={text}
          aria-invalid={problem !== ""}
          aria-describedby="sign-in-problem"
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      {step.name === "code" && step.shown !== undefined && (
        <p class="hint" role="note">
          Development mode: the code is <strong>{step.shown}</strong>.
        </p>
      )}
      <p class="problem" id="sign-in-problem" role="alert">
        {problem}
      </p>
      <button class="primary" type="submit" disabled={isBusy}>
        {words.action}
      </button>
      {step.name === "phone" && (
        <button type="button" class="link" onClick={() => move({ name: "token" }, "")}>
          Use an access token instead
        </button>
      )}
      {(step.name === "code" || step.name === "token") && (
        <button
          type="button"
          class="link"
          onClick={() => move({ name: "phone" }, localStorage.getItem(PHONE) ?? "")}
        >
          Use a phone number
        </button>
      )}
      {step.name === "name" && (
        <button type="button" class="link" onClick={() => onSignedIn(step.user)}>
          Later
        </button>
      )}
    </form>
  );
}

const WORDS = {
  phone: {
    title: "Sign in",
    text: "With your phone number. Who is new here is registered.",
    label: "Phone number",
    placeholder: "+49 1512 3456789",
    action: "Send me a code",
  },
  code: { title: "Enter the code", text: "", label: "Code", placeholder: "123456", action: "Sign in" },
  name: {
    title: "Welcome",
    text: "What shall others call you?",
    label: "Your name",
    placeholder: "Ann",
    action: "Begin",
  },
  token: {
    title: "Sign in by token",
    text: "For users of another issuer, and for operators: see `starling token`.",
    label: "Access token",
    placeholder: "",
    action: "Sign in",
  },
} as const;

const AUTOCOMPLETE = { phone: "tel", code: "one-time-code", name: "name", token: "off" } as const;

const INPUT_MODE = { phone: "tel", code: "numeric", name: "text", token: "text" } as const;

/** What this device is called in the list of sessions. */
function deviceName(): string {
  const { userAgent } = navigator;
  const browser = /Firefox|Edg|Chrome|Safari/.exec(userAgent)?.[0]?.replace("Edg", "Edge") ?? "Browser";
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(userAgent)?.[0];
  return system === undefined ? browser : `${browser} on ${system}`;
}
