// SPDX-License-Identifier: Apache-2.0
//
// All pipelines at a glance.
import { Live } from "../live/live";
import { Badge, Figure, Sparkline } from "../parts";
import { linkTo, pipelines } from "../store";
import { milliseconds, number, state } from "../text";
import type { PipelineStatus } from "../types";
import { num } from "../types";

// Browsers keep six connections to a daemon: so many are for pictures, the others for questions.
const MOST_LIVE = 3;
const FPS = 5;

export function PipelineState({ pipeline }: { pipeline: PipelineStatus }) {
  const name = state(pipeline.state, "PIPELINE_STATE_");
  const tone = name === "running" ? "good" : name === "failed" ? "bad" : "warn";
  return <Badge text={name} tone={tone} />;
}

export const isRunning = (pipeline: PipelineStatus) => pipeline.state === "PIPELINE_STATE_RUNNING";

// By reason, of all nodes together.
export function dropsOf(pipeline: PipelineStatus): [string, number][] {
  const sums = new Map<string, number>();
  for (const node of pipeline.graph ?? []) {
    for (const [reason, count] of Object.entries(node.drops ?? {}))
      sums.set(reason, (sums.get(reason) ?? 0) + num(count));
  }
  return [...sums].sort((a, b) => b[1] - a[1]);
}

export function Figures({ pipeline }: { pipeline: PipelineStatus }) {
  return (
    <dl class="figures">
      <Figure name="processed" value={number(num(pipeline.processedFps))} unit="/s" />
      <Figure name="captured" value={number(num(pipeline.capturedFps))} unit="/s" />
      <Figure name="median" value={milliseconds(num(pipeline.latencyMedianMs))} />
      <Figure name="99 %" value={milliseconds(num(pipeline.latencyP99Ms))} />
      <Figure
        name="dropped"
        value={String(dropsOf(pipeline).reduce((sum, [, count]) => sum + count, 0))}
        tone={num(pipeline.failed) ? "bad" : ""}
      />
    </dl>
  );
}

function Card({ pipeline, isLive }: { pipeline: PipelineStatus; isLive: boolean }) {
  const name = pipeline.name ?? "";
  return (
    <article class="panel card">
      <header>
        <h2>
          <a href={linkTo("pipeline", name)}>{name}</a>
        </h2>
        <PipelineState pipeline={pipeline} />
      </header>
      {isLive && <Live pipeline={name} fps={FPS} />}
      {pipeline.reason && <p class="error">{pipeline.reason}</p>}
      <Figures pipeline={pipeline} />
      <div class="sparklines">
        <Sparkline of={`fps ${name}`} label="rate" unit="/s" />
        <Sparkline of={`latency ${name}`} label="latency" unit="ms" />
      </div>
    </article>
  );
}

export function PipelinesView() {
  const list = pipelines.value;
  if (list === null) return <p class="empty">Asking the daemon …</p>;
  if (list.length === 0)
    return <p class="empty">No pipelines. They stand under “pipelines” in the configuration.</p>;
  const shown = new Set(list.filter(isRunning).slice(0, MOST_LIVE));
  return (
    <>
      <h1 class="hidden">Pipelines</h1>
      <div class="cards">
        {list.map((pipeline) => (
          <Card key={pipeline.name} pipeline={pipeline} isLive={shown.has(pipeline)} />
        ))}
      </div>
    </>
  );
}
