// SPDX-License-Identifier: Apache-2.0
//
// Small things that several views are made of.
import type { ComponentChildren } from "preact";
import { history, round } from "./store";
import { number } from "./text";

export function Badge({ text, tone }: { text: string; tone?: "good" | "bad" | "warn" | "busy" }) {
  return <span class={`badge ${tone ?? ""}`}>{text}</span>;
}

export function Figure(props: { name: string; value: string; unit?: string; tone?: string }) {
  return (
    <div class={`figure ${props.tone ?? ""}`}>
      <dt>{props.name}</dt>
      <dd>
        {props.value}
        {props.unit && <small> {props.unit}</small>}
      </dd>
    </div>
  );
}

export function Panel(props: { title: string; extra?: ComponentChildren; children: unknown }) {
  return (
    <section class="panel" aria-label={props.title}>
      <header>
        <h2>{props.title}</h2>
        {props.extra}
      </header>
      {props.children as ComponentChildren}
    </section>
  );
}

const WIDTH = 160;
const HEIGHT = 32;

// The last two minutes of a history, from 0 or `floor` up to the most.
export function Sparkline(props: { of: string; label: string; unit: string; floor?: number }) {
  round.value; // drawn again with each round
  const points = history(props.of);
  const last = points.at(-1) ?? 0;
  const floor = props.floor ?? 0;
  const most = Math.max(...points, floor + 1e-9);
  const x = (i: number) => WIDTH - (points.length - 1 - i) * (WIDTH / 119);
  const y = (value: number) => HEIGHT - 2 - ((value - floor) / (most - floor)) * (HEIGHT - 4);
  const line = points.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  return (
    <figure class="sparkline">
      <figcaption>
        {props.label}{" "}
        <b>
          {number(last)} {props.unit}
        </b>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${props.label} of the last two minutes: now ${number(last)}, at most ${number(most)} ${props.unit}`}
      >
        {points.length > 1 && (
          <>
            <polygon points={`${x(0).toFixed(1)},${HEIGHT} ${line} ${WIDTH},${HEIGHT}`} />
            <polyline points={line} />
          </>
        )}
      </svg>
    </figure>
  );
}
