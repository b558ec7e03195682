// SPDX-License-Identifier: Apache-2.0
//
// What the page knows of the daemon, asked again and again while somebody looks, and the last minutes of what changes.
import { effect, signal } from "@preact/signals";
import { ApiError, call, messageOf, repositoryIndex, statistics, whoAmI } from "./api";
import { num } from "./types";
import type {
  Deployment,
  Deployments,
  Host,
  IndexEntry,
  ModelStatistics,
  PipelineStatus,
  Pipelines,
  Role,
  WhoAmI,
} from "./types";

const POLL_MS = 1000;
const KEPT = 120; // points of a history

export const me = signal<WhoAmI | null>(null);
export const failure = signal(""); // of the last question; empty: the daemon answers
export const pipelines = signal<PipelineStatus[] | null>(null);
export const models = signal<IndexEntry[] | null>(null);
export const modelStatistics = signal<ModelStatistics[]>([]);
export const deployments = signal<Deployment[]>([]);
export const host = signal<Host | null>(null);
// Goes up with each round of questions, so that what shows histories is drawn again.
export const round = signal(0);

export const has = (role: Role) => me.value?.roles.includes(role) ?? false;

const histories = new Map<string, number[]>();

export const history = (key: string): readonly number[] => histories.get(key) ?? [];

function remember(key: string, value: number) {
  const points = histories.get(key) ?? [];
  points.push(value);
  if (points.length > KEPT) points.shift();
  histories.set(key, points);
}

// Of counters that only go up: the last value of each, and when it was read.
const counters = new Map<string, { value: number; time: number }>();

// How much a counter went up in a second; undefined where it is new or began anew.
function rate(key: string, value: number): number | undefined {
  const time = performance.now();
  const before = counters.get(key);
  counters.set(key, { value, time });
  if (!before || value < before.value || time <= before.time) return undefined;
  return ((value - before.value) * 1000) / (time - before.time);
}

function take(statistics: ModelStatistics[]) {
  for (const model of statistics) {
    const key = `${model.name}:${model.version}`;
    const inferences = rate(`inferences ${key}`, num(model.inference_count));
    const executions = rate(`executions ${key}`, num(model.execution_count));
    const busy = rate(`busy ${key}`, num(model.inference_stats?.compute_infer?.ns));
    if (inferences === undefined || executions === undefined) continue;
    remember(`rate ${key}`, inferences);
    remember(`batch ${key}`, executions > 0 ? inferences / executions : 0);
    if (busy !== undefined) remember(`busy ${key}`, busy / 1e7);
  }
  modelStatistics.value = statistics;
}

async function askPipelines() {
  const { pipelines: list = [] } = await call<Pipelines>("PipelineService/ListPipelines");
  for (const pipeline of list) {
    remember(`fps ${pipeline.name}`, num(pipeline.processedFps));
    remember(`latency ${pipeline.name}`, num(pipeline.latencyMedianMs));
  }
  pipelines.value = list;
}

async function askHost() {
  const machine = await call<Host>("HostService/ShowHost");
  const hottest = Math.max(...(machine.zones ?? []).map((zone) => num(zone.celsius)));
  if (Number.isFinite(hottest)) remember("celsius", hottest);
  if (machine.pressure?.cpu !== undefined) remember("pressure", num(machine.pressure.cpu));
  remember("memory", num(machine.memoryLimitBytes) - num(machine.memoryAvailableBytes));
  host.value = machine;
}

async function askModels() {
  [models.value, deployments.value] = await Promise.all([
    repositoryIndex(),
    call<Deployments>("DeploymentService/ListDeployments").then((list) => list.deployments ?? []),
  ]);
  take(await statistics());
}

// Whether it was refused for want of a role: then who asks is looked up again.
const isRefusal = (error: unknown) =>
  error instanceof ApiError && ["permission_denied", "unauthenticated"].includes(error.code);

export async function poll(): Promise<void> {
  try {
    if (me.value === null || failure.value) me.value = await whoAmI();
    if (has("observe")) await Promise.all([askPipelines(), askHost(), askModels()]);
    failure.value = "";
  } catch (error) {
    if (isRefusal(error)) me.value = null;
    failure.value = messageOf(error);
  }
  round.value++;
}

// Begins anew as somebody else.
export function forgetWho() {
  me.value = null;
  pipelines.value = models.value = host.value = null;
  poll();
}

// Asks while the page can be seen.
export async function pollForEver(): Promise<never> {
  for (;;) {
    if (!document.hidden) await poll();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

// What is said to everybody, screen readers too, of what was asked for.
export const notice = signal<{ text: string; bad: boolean } | null>(null);

// Does it, and says how it went.
export async function attempt(done: string, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    notice.value = { text: done, bad: false };
    poll();
    return true;
  } catch (error) {
    notice.value = { text: messageOf(error), bad: true };
    return false;
  }
}

// Where in the page: "#/pipeline/NAME/file" is ["pipeline", "NAME", "file"].
const placeOf = () => {
  try {
    return location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  } catch {
    return [""];
  }
};
export const place = signal(placeOf());
addEventListener("hashchange", () => {
  place.value = placeOf();
});

export const linkTo = (...parts: string[]) => `#/${parts.map(encodeURIComponent).join("/")}`;

// "light", "dark", or as the system has it.
const THEME = "inferd-theme";
export const theme = signal(localStorage.getItem(THEME) ?? "system");
effect(() => {
  localStorage.setItem(THEME, theme.value);
  document.documentElement.style.colorScheme =
    theme.value === "system" ? "light dark" : theme.value;
});
