// SPDX-License-Identifier: Apache-2.0
//
// A pipeline's frames as they come, with what was found in them.
import { useEffect, useRef, useState } from "preact/hooks";
import { live, messageOf, type LiveFrame } from "../api";
import type { FrameResult } from "../types";
import { draw, summary } from "./draw";

const AGAIN_MS = 2000; // until it is asked again after a stream that ended
const SAY_MS = 1000; // between two results that are shown in words

async function show(canvas: HTMLCanvasElement, frame: LiveFrame) {
  const context = canvas.getContext("2d");
  if (!context || !frame.jpeg) return;
  const picture = await createImageBitmap(new Blob([frame.jpeg], { type: "image/jpeg" }));
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  context.drawImage(picture, 0, 0);
  picture.close();
  draw(context, frame.result, pictureUnit(canvas));
}

// Pixels of the picture in one of the page, whichever side of it reaches the canvas's ends.
export function pictureUnit(canvas: HTMLCanvasElement): number {
  const across = canvas.width / Math.max(canvas.clientWidth, 1);
  return Math.max(across, canvas.height / Math.max(canvas.clientHeight, 1), 0.5);
}

// Looks until `signal` is aborted; a pipeline that stops is asked for again.
async function look(
  pipeline: string,
  fps: number,
  got: (frame: LiveFrame) => Promise<void>,
  failed: (why: string) => void,
  signal: AbortSignal,
) {
  while (!signal.aborted) {
    try {
      await live(pipeline, fps, got, signal);
      failed("The pipeline has stopped.");
    } catch (error) {
      if (!signal.aborted) failed(messageOf(error));
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

interface Props {
  pipeline: string;
  fps: number;
  onResult?: (result: FrameResult) => void; // now and then
}

export function Live({ pipeline, fps, onResult }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [said, say] = useState("");
  const [why, setWhy] = useState("");
  const [hasPicture, setHasPicture] = useState(true);
  useEffect(() => {
    const abort = new AbortController();
    let last = 0;
    const got = async (frame: LiveFrame) => {
      if (abort.signal.aborted || !canvas.current) return;
      await show(canvas.current, frame);
      if (performance.now() - last < SAY_MS) return;
      last = performance.now();
      setWhy("");
      setHasPicture(frame.jpeg !== null);
      say(summary(frame.result));
      onResult?.(frame.result);
    };
    look(pipeline, fps, got, setWhy, abort.signal);
    return () => abort.abort();
  }, [pipeline, fps]);
  const words = why || said || "waiting for the first frame";
  return (
    <div class={`live ${why ? "stopped" : ""}`}>
      <canvas
        ref={canvas}
        width={640}
        height={360}
        role="img"
        hidden={!hasPicture}
        aria-label={`${pipeline}: ${words}`}
        data-shown={said && !why ? "yes" : "no"}
      />
      <p class="caption">{words}</p>
    </div>
  );
}
