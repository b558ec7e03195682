// SPDX-License-Identifier: Apache-2.0
//
// A pipeline's nodes, each behind those that it reads, with the time that each of their stages takes.
import { Fragment } from "preact";
import { milliseconds, number } from "./text";
import type { GraphNode, PipelineStatus } from "./types";
import { num } from "./types";

const WIDTH = 190;
const GAP_X = 44;
const GAP_Y = 18;
const LINE = 16;
const HEAD = 42;

interface Placed {
  node: GraphNode;
  lines: { name: string; time: string; share: number; bad: string }[];
  x: number;
  y: number;
  height: number;
}

function linesOf(pipeline: PipelineStatus, node: GraphNode) {
  const stages = (pipeline.nodes ?? []).filter((stage) => stage.node === node.name);
  const mean = (total: number, frames: number) => (frames > 0 ? total / frames / 1e6 : 0);
  const times = stages.map((stage) => mean(num(stage.totalNs), num(stage.frames)));
  const most = Math.max(...times, 1e-9);
  return stages.map((stage, i) => ({
    name: stage.name ?? "",
    time: num(stage.frames) > 0 ? milliseconds(times[i] ?? 0) : "–",
    share: (times[i] ?? 0) / most,
    bad: stage.lastError ?? "",
  }));
}

// Sources in the first column, and each other node one behind the last that it reads. The daemon lists each after those.
function arrange(pipeline: PipelineStatus): { placed: Placed[]; width: number; height: number } {
  const columns = new Map<string, number>();
  const bottoms: number[] = [];
  const placed = (pipeline.graph ?? []).map((node) => {
    const before = (node.inputs ?? []).map((input) => columns.get(input) ?? 0);
    const column = before.length ? Math.max(...before) + 1 : 0;
    columns.set(node.name ?? "", column);
    const lines = linesOf(pipeline, node);
    const height = HEAD + lines.length * LINE + (lines.length ? 6 : 0);
    const y = bottoms[column] ?? 1;
    bottoms[column] = y + height + GAP_Y;
    return { node, lines, x: 1 + column * (WIDTH + GAP_X), y, height };
  });
  return {
    placed,
    width: bottoms.length * (WIDTH + GAP_X) - GAP_X + 2,
    height: Math.max(...bottoms, GAP_Y) - GAP_Y + 2,
  };
}

function Edge({ from, to }: { from: Placed; to: Placed }) {
  const x0 = from.x + WIDTH;
  const y0 = from.y + HEAD / 2;
  const y1 = to.y + HEAD / 2;
  const middle = (x0 + to.x) / 2;
  return <path class="edge" d={`M${x0},${y0} C${middle},${y0} ${middle},${y1} ${to.x},${y1}`} />;
}

const dropsOf = (node: GraphNode) =>
  Object.entries(node.drops ?? {}).map(([reason, count]) => `${count} ${reason}`);

function Box({ node, lines, x, y, height }: Placed) {
  const drops = dropsOf(node);
  const isBad = Boolean(node.reason) || lines.some((line) => line.bad);
  return (
    <g transform={`translate(${x},${y})`} class={`node ${isBad ? "bad" : ""}`}>
      <rect width={WIDTH} height={height} rx="6" />
      <text x="10" y="17" class="title">
        {node.name}
      </text>
      <text x={WIDTH - 10} y="17" class="fps">
        {number(num(node.fps))}/s
      </text>
      <text x="10" y="33" class={drops.length ? "drops" : "dim"}>
        {drops.length ? `dropped ${drops.join(", ")}`.slice(0, 32) : node.state || "drops nothing"}
      </text>
      {lines.map((line, i) => (
        <Fragment key={line.name}>
          <rect
            class="share"
            x="4"
            y={HEAD + i * LINE}
            width={Math.max((WIDTH - 8) * line.share, 0.5)}
            height={LINE - 2}
            rx="2"
          />
          <text x="10" y={HEAD + i * LINE + 11} class={line.bad ? "drops" : "stage"}>
            {line.name.slice(0, 20)}
          </text>
          <text x={WIDTH - 10} y={HEAD + i * LINE + 11} class="time">
            {line.time}
          </text>
        </Fragment>
      ))}
      <title>
        {[node.reason, ...drops, ...lines.map((line) => line.bad)].filter(Boolean).join("\n")}
      </title>
    </g>
  );
}

export function Graph({ pipeline }: { pipeline: PipelineStatus }) {
  const { placed, width, height } = arrange(pipeline);
  const byName = new Map(placed.map((item) => [item.node.name, item]));
  const edges = placed.flatMap((to) =>
    (to.node.inputs ?? []).flatMap((input) => {
      const from = byName.get(input);
      return from ? [{ from, to }] : [];
    }),
  );
  const words = placed.map(({ node, lines }) =>
    [`${node.name}: ${number(num(node.fps))} frames a second`, ...dropsOf(node)]
      .concat(lines.map((line) => `${line.name} ${line.time}`))
      .join(", "),
  );
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Graph of the pipeline">
      <svg class="graph" width={width} height={height} role="img" aria-label={words.join("; ")}>
        {edges.map(({ from, to }) => (
          <Edge key={`${from.node.name} ${to.node.name}`} from={from} to={to} />
        ))}
        {placed.map((item) => (
          <Box key={item.node.name} {...item} />
        ))}
      </svg>
    </div>
  );
}
