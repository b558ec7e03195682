// SPDX-License-Identifier: Apache-2.0
//
// One pipeline: what it sees, what it takes, and its file.
import { useState } from "preact/hooks";
import { call } from "../api";
import { Found } from "../found";
import { Graph } from "../graph";
import { Live } from "../live/live";
import { Panel, Sparkline } from "../parts";
import { attempt, has, linkTo, pipelines } from "../store";
import type { FrameResult, PipelineStatus } from "../types";
import { Editor } from "./editor";
import { dropsOf, Figures, isRunning, PipelineState } from "./pipelines";

const FPS = 15;

function Controls({ pipeline }: { pipeline: PipelineStatus }) {
  const act = (what: string, done: string) =>
    attempt(`${pipeline.name} ${done}`, () =>
      call(`PipelineService/${what}Pipeline`, { pipeline: pipeline.name }),
    );
  const runs = isRunning(pipeline);
  return (
    <div class="buttons">
      {!runs && (
        <button type="button" onClick={() => act("Start", "runs")}>
          Start
        </button>
      )}
      {runs && (
        <button type="button" onClick={() => act("Restart", "runs anew")}>
          Restart
        </button>
      )}
      {runs && (
        <button type="button" onClick={() => act("Stop", "has stopped")}>
          Stop
        </button>
      )}
    </div>
  );
}

function Drops({ pipeline }: { pipeline: PipelineStatus }) {
  const drops = dropsOf(pipeline);
  return (
    <>
      {drops.length === 0 && <p class="empty">No frame was dropped.</p>}
      <dl class="rows">
        {drops.map(([reason, count]) => (
          <div key={reason}>
            <dt>{reason}</dt>
            <dd>{count}</dd>
          </div>
        ))}
      </dl>
      {pipeline.lastError && <p class="error">{pipeline.lastError}</p>}
    </>
  );
}

function Looking({ pipeline }: { pipeline: PipelineStatus }) {
  const [result, setResult] = useState<FrameResult | null>(null);
  const name = pipeline.name ?? "";
  return (
    <div class="columns">
      <div class="wide">
        {isRunning(pipeline) && (
          <Panel title="Live">
            <Live pipeline={name} fps={FPS} onResult={setResult} />
          </Panel>
        )}
        <Panel title="Nodes">
          <Graph pipeline={pipeline} />
        </Panel>
      </div>
      <div>
        <Panel title="Rates">
          <Figures pipeline={pipeline} />
          <div class="sparklines">
            <Sparkline of={`fps ${name}`} label="rate" unit="/s" />
            <Sparkline of={`latency ${name}`} label="latency" unit="ms" />
          </div>
        </Panel>
        <Panel title="Dropped frames">
          <Drops pipeline={pipeline} />
        </Panel>
        <Panel title="Found">
          <Found result={result} nothing="Nothing in the last frame." />
        </Panel>
      </div>
    </div>
  );
}

export function PipelineView({ name, part }: { name: string; part: string }) {
  const pipeline = pipelines.value?.find((one) => one.name === name);
  if (!pipeline)
    return (
      <p class="empty">{pipelines.value ? `No pipeline “${name}”.` : "Asking the daemon …"}</p>
    );
  const isFile = part === "file";
  return (
    <>
      <div class="heading">
        <h1>{name}</h1>
        <PipelineState pipeline={pipeline} />
        <nav aria-label="Parts of the pipeline" class="tabs">
          <a href={linkTo("pipeline", name)} aria-current={isFile ? undefined : "page"}>
            Live
          </a>
          {has("admin") && (
            <a href={linkTo("pipeline", name, "file")} aria-current={isFile ? "page" : undefined}>
              File
            </a>
          )}
        </nav>
        {has("admin") && <Controls pipeline={pipeline} />}
      </div>
      {pipeline.reason && <p class="error">{pipeline.reason}</p>}
      {isFile && has("admin") ? (
        <Editor key={name} pipeline={name} />
      ) : (
        <Looking pipeline={pipeline} />
      )}
    </>
  );
}
