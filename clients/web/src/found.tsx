// SPDX-License-Identifier: Apache-2.0
//
// What was found in a frame, as a table.
import { nameOf } from "./live/draw";
import type { FrameResult } from "./types";
import { num } from "./types";

const MOST = 12; // rows of each kind

// What, and where or how much.
function rowsOf(result: FrameResult): [string, string][] {
  const percent = (part: number | string | undefined) => Math.round(num(part) * 100);
  const rows: [string, string][] = [];
  for (const detection of (result.detections ?? []).slice(0, MOST)) {
    const { xMin, yMin, xMax, yMax } = detection.box ?? {};
    rows.push([nameOf(detection), [xMin, yMin, xMax, yMax].map(percent).join(" ")]);
  }
  for (const one of (result.classes ?? []).slice(0, MOST))
    rows.push([one.label || `class ${num(one.classId)}`, num(one.score).toFixed(3)]);
  for (const area of (result.areas ?? []).slice(0, MOST))
    rows.push([area.label || `class ${num(area.classId)}`, `${percent(area.fraction)} %`]);
  for (const value of (result.values ?? []).slice(0, MOST))
    rows.push([value.name ?? "", num(value.value).toPrecision(4)]);
  if (result.text) rows.push(["text", result.text]);
  return rows;
}

export function Found({ result, nothing }: { result: FrameResult | null; nothing: string }) {
  const rows = result ? rowsOf(result) : [];
  if (rows.length === 0) return <p class="empty">{nothing}</p>;
  const hasBoxes = (result?.detections ?? []).length > 0;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">what</th>
          <th scope="col">{hasBoxes ? "left, top, right, bottom in %" : "how much"}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([what, where], i) => (
          <tr key={i}>
            <td>{what}</td>
            <td class="numbers">{where}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
