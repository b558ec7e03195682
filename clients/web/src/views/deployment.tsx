// SPDX-License-Identifier: Apache-2.0
//
// A deployment, step by step.
import { useEffect, useState } from "preact/hooks";
import { call, messageOf, stream } from "../api";
import { Badge } from "../parts";
import { attempt, has } from "../store";
import { clock, milliseconds, state } from "../text";
import type { Deployment } from "../types";
import { num } from "../types";

const TONES = {
  DEPLOYMENT_STATE_RUNNING: "busy",
  DEPLOYMENT_STATE_DONE: "good",
  DEPLOYMENT_STATE_REFUSED: "bad",
  DEPLOYMENT_STATE_ROLLED_BACK: "bad",
} as const;

export const isUnderWay = (deployment: Deployment) =>
  deployment.state === "DEPLOYMENT_STATE_RUNNING";

// As it changes, while it is under way; without an answer, as it was listed.
function useDeployment(listed: Deployment) {
  const [watched, setWatched] = useState<Deployment | null>(null);
  const [error, setError] = useState("");
  const runs = isUnderWay(listed);
  useEffect(() => {
    if (!runs) return;
    const abort = new AbortController();
    stream<Deployment>(
      "DeploymentService/WatchDeployment",
      { id: listed.id },
      setWatched,
      abort.signal,
    ).catch((why) => abort.signal.aborted || setError(messageOf(why)));
    return () => abort.abort();
  }, [listed.id, runs]);
  return { deployment: runs && watched ? watched : listed, error };
}

function Buttons({ deployment }: { deployment: Deployment }) {
  const models = (deployment.changes ?? []).map((change) => change.model ?? "");
  const [model = ""] = models;
  return (
    <div class="buttons">
      <button
        type="button"
        onClick={() =>
          attempt(`${models.join(", ")}: taken without waiting`, () =>
            call("DeploymentService/Promote", { model }),
          )
        }
      >
        Promote
      </button>
      <button
        type="button"
        onClick={() =>
          attempt(`${models.join(", ")}: taken back`, () =>
            call("DeploymentService/Rollback", { model, reason: "asked for on the dashboard" }),
          )
        }
      >
        Take back
      </button>
    </div>
  );
}

export function DeploymentSteps({ listed }: { listed: Deployment }) {
  const { deployment, error } = useDeployment(listed);
  const names = (deployment.changes ?? []).map((change) => {
    const before = num(change.replaces);
    return `${change.model} ${before ? `${before} → ` : ""}${change.version}`;
  });
  return (
    <article class="deployment" aria-label={`Deployment of ${names.join(", ")}`}>
      <header>
        <h3>{names.join(", ")}</h3>
        <Badge
          text={state(deployment.state, "DEPLOYMENT_STATE_")}
          tone={TONES[deployment.state as keyof typeof TONES]}
        />
        <time class="dim">{clock(num(deployment.begunMs))}</time>
        {isUnderWay(deployment) && has("admin") && <Buttons deployment={deployment} />}
      </header>
      <ol class="steps">
        {(deployment.steps ?? []).map((step, i) => {
          const took = num(step.tookUs);
          return (
            <li
              key={i}
              class={took < 0 ? "busy" : "done"}
              aria-current={took < 0 ? "step" : undefined}
            >
              <b>{step.name}</b>{" "}
              <span class="numbers">{took < 0 ? "…" : milliseconds(took / 1000)}</span>
              {step.note && <small>{step.note}</small>}
            </li>
          );
        })}
      </ol>
      {(deployment.reason || error) && <p class="error">{deployment.reason || error}</p>}
    </article>
  );
}
