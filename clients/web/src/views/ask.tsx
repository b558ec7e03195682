// SPDX-License-Identifier: Apache-2.0
//
// A picture of one's own, and what a model makes of it in the way that a pipeline uses it.
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, messageOf } from "../api";
import { DropPlace } from "../dropplace";
import { Found } from "../found";
import { draw, summary } from "../live/draw";
import { pictureUnit } from "../live/live";
import { Panel } from "../parts";
import { pipelines } from "../store";
import type { FrameResult } from "../types";
import { num } from "../types";

const HEAD_BYTES = 1 << 16; // where a JPEG has what its camera says about it
const QUALITY = 0.95;
const PICTURES = "image/jpeg,image/png,image/bmp";

interface Shown {
  picture: ImageBitmap;
  file: Blob;
}

// A camera may say which way it was held: the browser turns such a picture, the daemon takes pixels as they lie. So it is
// sent turned.
async function isTurned(file: Blob): Promise<boolean> {
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  return new TextDecoder("latin1").decode(head).includes("Exif\0\0");
}

async function asSeen(file: Blob, picture: ImageBitmap): Promise<Blob> {
  if (!(await isTurned(file))) return file;
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d")?.drawImage(picture, 0, 0);
  return canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
}

function Picture({ shown, results }: { shown: Shown; results: FrameResult[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { picture } = shown;
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!canvas.current || !context) return;
    context.drawImage(picture, 0, 0);
    for (const result of results) draw(context, result, pictureUnit(canvas.current));
  }, [picture, results]);
  return (
    <div class="live">
      <canvas
        ref={canvas}
        width={picture.width}
        height={picture.height}
        role="img"
        aria-label={`your picture: ${results.map(summary).join("; ") || "nothing is known yet"}`}
      />
    </div>
  );
}

function Answer({ results }: { results: FrameResult[] }) {
  if (results.length === 0)
    return <p class="empty">No node had anything to say: a stage saw no need to go on.</p>;
  return (
    <>
      {results.map((result) => (
        <section key={result.node}>
          {results.length > 1 && <h3>{result.node}</h3>}
          <p>
            {summary(result)}{" "}
            <small class="dim">
              {((num(result.resultNs) - num(result.captureNs)) / 1e6).toFixed(1)} ms
            </small>
          </p>
          <Found result={result} nothing="" />
        </section>
      ))}
    </>
  );
}

// Pipelines with a model, those of a model together.
function Choice({ chosen, choose }: { chosen: string; choose: (pipeline: string) => void }) {
  const known = (pipelines.value ?? []).filter((one) => one.model);
  const byModel = Map.groupBy(known, (one) => one.model ?? "");
  return (
    <label>
      Model{" "}
      <select
        name="pipeline"
        value={chosen}
        onChange={(event) => choose(event.currentTarget.value)}
      >
        {[...byModel].map(([model, users]) => (
          <optgroup key={model} label={model.replaceAll(",", " and ")}>
            {users.map(({ name }) => (
              <option key={name} value={name}>
                {model.replaceAll(",", " and ")}, as {name} uses it
              </option>
            ))}
          </optgroup>
        ))}
      </select>
    </label>
  );
}

export function AskView() {
  const first = pipelines.value?.find((one) => one.model)?.name ?? "";
  const [wanted, choose] = useState("");
  const [shown, show] = useState<Shown | null>(null);
  const [results, setResults] = useState<FrameResult[] | null>(null);
  const [error, setError] = useState("");
  const pipeline = wanted || first;

  useEffect(() => {
    if (!shown || !pipeline) return;
    const abort = new AbortController();
    setResults(null);
    setError("");
    asSeen(shown.file, shown.picture)
      .then((picture) => ask(pipeline, picture, abort.signal))
      .then(setResults)
      .catch((why) => abort.signal.aborted || setError(messageOf(why)));
    return () => abort.abort();
  }, [shown, pipeline]);

  const take = ([file]: File[]) => {
    if (!file) return;
    createImageBitmap(file).then(
      (picture) => show({ picture, file }),
      () => setError(`${file.name} is no picture that this browser knows.`),
    );
  };
  if (pipelines.value === null) return <p class="empty">Asking the daemon …</p>;
  if (!pipeline)
    return (
      <p class="empty">
        No pipeline has a model: what a picture must be like for one, and what its numbers mean, is
        said by a pipeline.
      </p>
    );
  return (
    <>
      <h1 class="hidden">Try a picture</h1>
      <DropPlace label="Your picture" files="A picture" accept={PICTURES} take={take}>
        {(choosePicture) => (
          <>
            <Choice chosen={pipeline} choose={choose} />
            <p>
              Drop a picture here, or{" "}
              <button type="button" onClick={choosePicture}>
                choose one
              </button>
            </p>
            {error && (
              <p class="error" role="alert">
                {error}
              </p>
            )}
          </>
        )}
      </DropPlace>
      {shown && (
        <div class="columns">
          <div class="wide">
            <Panel title="Picture">
              <Picture shown={shown} results={results ?? []} />
            </Panel>
          </div>
          <div>
            <Panel title="Found">
              <div role="status">
                {results ? <Answer results={results} /> : !error && <p class="empty">Asking …</p>}
              </div>
            </Panel>
          </div>
        </div>
      )}
    </>
  );
}
