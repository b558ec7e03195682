// SPDX-License-Identifier: Apache-2.0
//
// Models: which versions there are, how a new one comes to serve, and what they do.
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import { Badge, Figure, Panel, Sparkline } from "../parts";
import { attempt, deployments, has, models, modelStatistics } from "../store";
import { bytes, milliseconds, state } from "../text";
import type { IndexEntry, ModelStatistics, StoredModel, StoredVersion } from "../types";
import { num } from "../types";
import { DeploymentSteps } from "./deployment";
import { DropZone } from "./drop";

const SHOWN_DEPLOYMENTS = 5;

// By size, as shares of all runs.
function Batches({ model }: { model: ModelStatistics }) {
  const batches = (model.batch_stats ?? []).map((batch) => ({
    size: num(batch.batch_size),
    runs: num(batch.compute_infer?.count),
  }));
  const all = batches.reduce((sum, batch) => sum + batch.runs, 0);
  if (all === 0) return null;
  return (
    <dl class="bars" aria-label="Runs by batch size">
      {batches.map(({ size, runs }) => (
        <div key={size}>
          <dt>batch of {size}</dt>
          <dd>
            <meter max={all} value={runs} aria-label={`${runs} runs of ${size}`} />
            <span class="numbers">{runs}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Serving({ model }: { model: ModelStatistics }) {
  const key = `${model.name}:${model.version}`;
  const { success, queue, compute_infer: compute, fail } = model.inference_stats ?? {};
  const mean = (of: typeof success) =>
    num(of?.count) ? milliseconds(num(of?.ns) / num(of?.count) / 1e6) : "–";
  return (
    <>
      <dl class="figures">
        <Figure
          name={`version ${model.version}`}
          value={String(num(model.inference_count))}
          unit="answers"
        />
        <Figure name="compute" value={mean(compute)} />
        <Figure name="wait" value={mean(queue)} />
        <Figure
          name="failed"
          value={String(num(fail?.count))}
          tone={num(fail?.count) ? "bad" : ""}
        />
      </dl>
      <div class="sparklines">
        <Sparkline of={`rate ${key}`} label="answers" unit="/s" />
        <Sparkline of={`batch ${key}`} label="batch" unit="" />
        <Sparkline of={`busy ${key}`} label="computes" unit="%" />
      </div>
      <Batches model={model} />
    </>
  );
}

const VERDICTS: Record<string, "good" | "bad" | "busy"> = {
  good: "good",
  refused: "bad",
  rolled_back: "bad",
  quarantined: "bad",
  probation: "busy",
};

function Version({ model, version }: { model: StoredModel; version: StoredVersion }) {
  const name = `${model.model} version ${version.version}`;
  const which = { model: model.model, version: version.version };
  const isFallback = num(model.fallback) > 0 && model.fallback === version.version;
  return (
    <tr>
      <th scope="row">{version.version}</th>
      <td>
        {version.serves && <Badge text="serves" tone="good" />}{" "}
        {version.verdict && (
          <Badge text={version.verdict.replace("_", " ")} tone={VERDICTS[version.verdict]} />
        )}{" "}
        {isFallback && <Badge text="fallback" />}
        {version.reason && <small class="reason">{version.reason}</small>}
      </td>
      <td class="numbers">{bytes(num(version.bytes))}</td>
      <td class="buttons">
        {has("admin") && !version.serves && (
          <button
            type="button"
            aria-label={`Promote ${name}`}
            onClick={() =>
              attempt(`${name} serves`, () => call("DeploymentService/Promote", which))
            }
          >
            Promote
          </button>
        )}
        {has("admin") && !version.serves && !isFallback && (
          <button
            type="button"
            aria-label={`Remove ${name}`}
            onClick={() =>
              confirm(`Remove ${name} from the disk?`) &&
              attempt(`${name} is removed`, () => call("DeploymentService/RemoveVersion", which))
            }
          >
            Remove
          </button>
        )}
      </td>
    </tr>
  );
}

function ModelButtons({ model }: { model: StoredModel }) {
  const name = model.model;
  return (
    <div class="buttons">
      {num(model.fallback) > 0 && (
        <button
          type="button"
          onClick={() =>
            attempt(`${name}: version ${model.fallback} serves again`, () =>
              call("DeploymentService/Rollback", {
                model: name,
                reason: "asked for on the dashboard",
              }),
            )
          }
        >
          Roll back to {model.fallback}
        </button>
      )}
      <button
        type="button"
        aria-pressed={model.pinned ?? false}
        onClick={() =>
          attempt(model.pinned ? `${name} may change` : `${name} does not change`, () =>
            call("DeploymentService/Pin", { model: name, pinned: !model.pinned }),
          )
        }
      >
        Pin
      </button>
    </div>
  );
}

// What lies in the repository, asked again when a deployment or what serves has changed.
function useStored(model: string, changed: string) {
  const [stored, setStored] = useState<StoredModel | null>(null);
  useEffect(() => {
    let isLate = false;
    call<StoredModel>("DeploymentService/ShowModel", { model }).then(
      (answer) => isLate || setStored(answer),
      () => isLate || setStored(null), // it has no folder, as an ensemble
    );
    return () => {
      isLate = true;
    };
  }, [model, changed]);
  return stored;
}

function Model({
  name,
  entries,
  changed,
}: {
  name: string;
  entries: IndexEntry[];
  changed: string;
}) {
  const stored = useStored(name, changed);
  const serving = modelStatistics.value.filter((one) => one.name === name);
  const states = [...new Set(entries.map((entry) => state(entry.state, "")))];
  const isReady = entries.some((entry) => entry.state === "READY");
  return (
    <article class="panel model" aria-label={`Model ${name}`}>
      <header>
        <h2>{name}</h2>
        <Badge text={states.join(", ")} tone={isReady ? "good" : "warn"} />
        {stored?.pinned && <Badge text="pinned" />}
        {stored && has("admin") && <ModelButtons model={stored} />}
      </header>
      {serving.map((one) => (
        <Serving key={one.version} model={one} />
      ))}
      {stored && (
        <table>
          <thead>
            <tr>
              <th scope="col">version</th>
              <th scope="col">state</th>
              <th scope="col">size</th>
              <th scope="col">
                <span class="hidden">what can be done</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {(stored.versions ?? []).map((version) => (
              <Version key={version.version} model={stored} version={version} />
            ))}
          </tbody>
        </table>
      )}
      {entries
        .filter((entry) => entry.reason && entry.state !== "READY")
        .map((entry) => (
          <p key={entry.version} class="dim">
            {entry.version ? `version ${entry.version}: ` : ""}
            {entry.reason}
          </p>
        ))}
    </article>
  );
}

export function ModelsView() {
  const list = models.value;
  if (list === null) return <p class="empty">Asking the daemon …</p>;
  const byName = Map.groupBy(list, (entry) => entry.name);
  const shown = deployments.value.slice(0, SHOWN_DEPLOYMENTS);
  const changed = JSON.stringify([
    deployments.value.map((one) => [one.id, one.state, one.steps?.length]),
    list,
    modelStatistics.value.map((one) => [one.name, one.version]),
  ]);
  return (
    <>
      <h1 class="hidden">Models</h1>
      {has("admin") && <DropZone />}
      {shown.length > 0 && (
        <Panel title="Deployments">
          {shown.map((deployment) => (
            <DeploymentSteps key={deployment.id} listed={deployment} />
          ))}
        </Panel>
      )}
      <div class="cards">
        {[...byName].map(([name, entries]) => (
          <Model key={name} name={name} entries={entries} changed={changed} />
        ))}
      </div>
      {byName.size === 0 && <p class="empty">No models in the repository.</p>}
    </>
  );
}
