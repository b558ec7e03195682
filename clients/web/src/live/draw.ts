// SPDX-License-Identifier: Apache-2.0
//
// What was found in a frame, drawn over it.
import type { Detection, FrameResult, Mask } from "../types";
import { num } from "../types";

// Told apart by people who see few colours, too (Okabe and Ito), each bright enough for black letters.
const COLOURS = ["#56b4e9", "#e69f00", "#2fc79a", "#f0e442", "#ff8a5c", "#e59ac6", "#c5d4e3"];
// Between the 17 points of COCO's people.
const BONES = [
  [5, 6],
  [5, 7],
  [7, 9],
  [6, 8],
  [8, 10],
  [5, 11],
  [6, 12],
  [11, 12],
  [11, 13],
  [13, 15],
  [12, 14],
  [14, 16],
  [0, 1],
  [0, 2],
  [1, 3],
  [2, 4],
]; // prettier-ignore
const SEEN = 0.3; // points that the model is less sure of are left out
const NAMED = 20; // pixels of the page; what is narrower has no name, as names would hide each other
const MASK_OPACITY = 120; // of 255

export const colourOf = (id: number) => COLOURS[Math.abs(id) % COLOURS.length] as string;

export function nameOf(detection: Detection): string {
  const name = detection.label || (detection.classId ? `class ${detection.classId}` : "");
  const track = num(detection.trackId) ? `#${detection.trackId}` : "";
  const best = detection.classes?.[0]?.label ?? "";
  const score = detection.score === undefined ? "" : num(detection.score).toFixed(2);
  return [name, track, best, detection.text ?? "", score].filter((word) => word).join(" ");
}

const classNamed = ({ label, classId }: { label?: string; classId?: string | number }) =>
  label || `class ${num(classId)}`;

// In words: "2 person, 1 dog".
export function summary(result: FrameResult): string {
  const counts = new Map<string, number>();
  for (const { label, classId } of result.detections ?? []) {
    const name = label || (classId ? `class ${classId}` : "objects");
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const things = [...counts].map(([name, count]) => `${count} ${name}`);
  const whole = result.classes?.[0];
  if (whole) things.push(`${classNamed(whole)} ${num(whole.score).toFixed(2)}`);
  const areas = (result.areas ?? []).filter((area) => num(area.classId) !== 0); // not what is behind
  for (const area of areas.slice(0, 3))
    things.push(`${classNamed(area)} ${(num(area.fraction) * 100).toFixed(0)} %`);
  if (result.text) things.push(result.text);
  for (const value of result.values ?? [])
    things.push(`${value.name} ${num(value.value).toPrecision(3)}`);
  return things.join(", ") || "nothing";
}

function rgb(colour: string): [number, number, number] {
  const part = (at: number) => Number.parseInt(colour.slice(at, at + 2), 16);
  return [part(1), part(3), part(5)];
}

// Class 0 is what lies behind everything else, and is not drawn.
export function paintMask(mask: Mask, pixels: Uint8ClampedArray): void {
  const runs = mask.runs ?? [];
  let at = 0;
  for (let i = 0; i + 1 < runs.length; i += 2) {
    const end = Math.min(at + num(runs[i + 1]) * 4, pixels.length);
    const id = num(runs[i]);
    const [r, g, b] = rgb(colourOf(id));
    for (; at < end; at += 4) {
      if (id === 0) continue;
      pixels[at] = r;
      pixels[at + 1] = g;
      pixels[at + 2] = b;
      pixels[at + 3] = MASK_OPACITY;
    }
  }
}

const MOST_CELLS = 1 << 22;

function drawMask(context: CanvasRenderingContext2D, mask: Mask) {
  const width = num(mask.width);
  const height = num(mask.height);
  if (width < 1 || height < 1 || width * height > MOST_CELLS) return;
  const cells = new OffscreenCanvas(width, height);
  const part = cells.getContext("2d");
  if (!part) return;
  const image = part.createImageData(width, height);
  paintMask(mask, image.data);
  part.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(cells, 0, 0, context.canvas.width, context.canvas.height);
  context.imageSmoothingEnabled = true;
}

function drawPoints(context: CanvasRenderingContext2D, detection: Detection, unit: number) {
  const { width, height } = context.canvas;
  const points = (detection.keypoints ?? []).map((point) => ({
    x: num(point.x) * width,
    y: num(point.y) * height,
    seen: num(point.score) >= SEEN,
  }));
  context.lineWidth = unit * 1.5;
  for (const [from, to] of points.length === 17 ? BONES : []) {
    const a = points[from as number];
    const b = points[to as number];
    if (!a?.seen || !b?.seen) continue;
    context.beginPath();
    context.moveTo(a.x, a.y);
    context.lineTo(b.x, b.y);
    context.stroke();
  }
  for (const point of points.filter((p) => p.seen)) {
    context.beginPath();
    context.arc(point.x, point.y, unit * 2, 0, 2 * Math.PI);
    context.fill();
  }
}

function drawDetection(context: CanvasRenderingContext2D, detection: Detection, unit: number) {
  const { width, height } = context.canvas;
  const id = num(detection.trackId) || num(detection.classId);
  context.strokeStyle = context.fillStyle = colourOf(id);
  drawPoints(context, detection, unit);
  const x = num(detection.box?.xMin) * width;
  const y = num(detection.box?.yMin) * height;
  const right = num(detection.box?.xMax) * width;
  const bottom = num(detection.box?.yMax) * height;
  if (right <= x || bottom <= y) return;
  context.lineWidth = unit * 2;
  context.strokeRect(x, y, right - x, bottom - y);
  if (right - x < unit * NAMED) return;
  const name = nameOf(detection);
  const size = unit * 12;
  context.font = `600 ${size}px system-ui, sans-serif`;
  const wide = context.measureText(name).width + unit * 6;
  const left = Math.max(0, Math.min(x - unit, width - wide));
  const top = y - size - unit * 4 < 0 ? y : y - size - unit * 4;
  context.fillRect(left, top, wide, size + unit * 4);
  context.fillStyle = "#111";
  context.textBaseline = "top";
  context.fillText(name, left + unit * 3, top + unit * 2);
}

// `unit`: pixels of the canvas that look like one of the page, so that letters have one size in pictures of all sizes.
export function draw(context: CanvasRenderingContext2D, result: FrameResult, unit: number): void {
  if (result.mask) drawMask(context, result.mask);
  for (const detection of result.detections ?? []) drawDetection(context, detection, unit);
}
