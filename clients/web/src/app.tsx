// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { token } from "./api";
import { failure, forgetWho, has, linkTo, me, notice, place, theme } from "./store";
import { AskView } from "./views/ask";
import { HostView } from "./views/host";
import { LogView } from "./views/log";
import { ModelsView } from "./views/models";
import { PipelineView } from "./views/pipeline";
import { PipelinesView } from "./views/pipelines";

const NOTICE_MS = 8000;

function Links() {
  const [first = ""] = place.value;
  const at = first === "pipeline" ? "" : first;
  const views: [string, string][] = [
    ["", "Pipelines"],
    ["models", "Models"],
    ["host", "Host"],
  ];
  if (has("infer")) views.push(["try", "Try"]);
  if (has("admin")) views.push(["log", "Log"]);
  return (
    <nav aria-label="Views">
      {views.map(([where, name]) => (
        <a key={where} href={linkTo(where)} aria-current={at === where ? "page" : undefined}>
          {name}
        </a>
      ))}
    </nav>
  );
}

function Theme() {
  return (
    <select
      aria-label="Colours"
      value={theme.value}
      onChange={(event) => {
        theme.value = event.currentTarget.value;
      }}
    >
      <option value="system">system</option>
      <option value="light">light</option>
      <option value="dark">dark</option>
    </select>
  );
}

function SignIn() {
  const [text, setText] = useState("");
  const wasWrong = token.get() !== "";
  return (
    <form
      class="panel sign-in"
      onSubmit={(event) => {
        event.preventDefault();
        token.set(text.trim());
        forgetWho();
      }}
    >
      <h1>Who are you?</h1>
      <p>
        This daemon shows itself to those who have a token. It is kept until this tab is closed.
      </p>
      <label>
        Token{" "}
        <input
          type="password"
          autocomplete="off"
          required
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      {wasWrong && <p class="error">The last one does not let you see anything here.</p>}
      <button type="submit" class="main">
        Look
      </button>
    </form>
  );
}

function View() {
  if (me.value === null) return <p class="empty">{failure.value || "Asking the daemon …"}</p>;
  if (!has("observe")) {
    if (me.value.token_required) return <SignIn />;
    return (
      <p class="empty">The rules of this listener do not let you see anything (role observe).</p>
    );
  }
  const [first, second = "", third = ""] = place.value;
  switch (first) {
    case "pipeline":
      return <PipelineView key={second} name={second} part={third} />;
    case "models":
      return <ModelsView />;
    case "host":
      return <HostView />;
    case "try":
      return has("infer") ? <AskView /> : <p class="empty">To try needs the role infer.</p>;
    case "log":
      return has("admin") ? <LogView /> : <p class="empty">The log needs the role admin.</p>;
    default:
      return <PipelinesView />;
  }
}

function Notice() {
  const said = notice.value;
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => {
      notice.value = null;
    }, NOTICE_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <div class="notice" role="status" aria-live="polite">
      {said && <p class={said.bad ? "error" : "good"}>{said.text}</p>}
    </div>
  );
}

export function App() {
  const isKnown = me.value !== null && token.get() !== "";
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        To the content
      </button>
      <header class="top">
        <b class="brand">inferd</b>
        {has("observe") && <Links />}
        <div class="right">
          <span class="dim version">{me.value?.version}</span>
          {isKnown && (
            <button
              type="button"
              onClick={() => {
                token.set("");
                forgetWho();
              }}
            >
              Leave
            </button>
          )}
          <Theme />
        </div>
      </header>
      {failure.value && me.value && (
        <p class="banner" role="alert">
          {failure.value}
        </p>
      )}
      <main id="main" tabIndex={-1}>
        <View />
      </main>
      <Notice />
    </>
  );
}
