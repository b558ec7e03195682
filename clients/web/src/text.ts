// SPDX-License-Identifier: Apache-2.0
//
// Numbers as people read them.

export function number(value: number, digits = 1): string {
  if (!Number.isFinite(value)) return "–";
  if (value !== 0 && Math.abs(value) < 10 ** -digits) return value.toPrecision(1);
  return value.toFixed(Number.isInteger(value) ? 0 : digits);
}

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

export const milliseconds = (ms: number) =>
  ms >= 1000 ? `${number(ms / 1000, 2)} s` : `${number(ms, ms < 10 ? 2 : 1)} ms`;

export const clock = (ms: number) => new Date(ms).toLocaleTimeString(undefined, { hour12: false });

// "PIPELINE_STATE_RUNNING" is "running".
export const state = (name: string | undefined, prefix: string) =>
  (name ?? "unknown").replace(prefix, "").toLowerCase().replaceAll("_", " ");
