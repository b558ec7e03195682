// SPDX-License-Identifier: Apache-2.0
//
// Where a new version of a model is dropped.
import { useState } from "preact/hooks";
import { messageOf } from "../api";
import { DropPlace } from "../dropplace";
import { type Package, packageOf, push } from "../push";
import { attempt } from "../store";
import { bytes } from "../text";

function Form({ wanted, close }: { wanted: Package; close: () => void }) {
  const [model, setModel] = useState(wanted.model);
  const [version, setVersion] = useState(wanted.version ? String(wanted.version) : "");
  const [progress, setProgress] = useState<[number, number] | null>(null);
  const size = [...wanted.files.values()].reduce((sum, file) => sum + file.size, 0);
  const isFixed = wanted.manifest !== undefined;
  const send = async (event: Event) => {
    event.preventDefault();
    setProgress([0, size]);
    const done = await attempt(`${model} is sent; see its deployment`, () =>
      push({ ...wanted, model, version: Number(version) }, (sent, all) => setProgress([sent, all])),
    );
    setProgress(null);
    if (done) close();
  };
  return (
    <form onSubmit={send}>
      <p class="dim">
        {[...wanted.files.keys()].join(", ")}, {bytes(size)}
        {wanted.signature ? ", signed" : ""}
      </p>
      <label>
        Name{" "}
        <input
          name="model"
          required
          pattern="[A-Za-z0-9._\-]+"
          value={model}
          readOnly={isFixed}
          onInput={(event) => setModel(event.currentTarget.value)}
        />
      </label>
      <label>
        Version{" "}
        <input
          name="version"
          inputMode="numeric"
          pattern="[1-9][0-9]*"
          placeholder="the next"
          value={version}
          readOnly={isFixed}
          onInput={(event) => setVersion(event.currentTarget.value)}
        />
      </label>
      <div class="buttons">
        <button type="submit" class="main" disabled={progress !== null}>
          Send and deploy
        </button>
        <button type="button" onClick={close} disabled={progress !== null}>
          Never mind
        </button>
      </div>
      {progress && (
        <progress
          max={Math.max(progress[1], 1)}
          value={progress[0]}
          aria-label={`${bytes(progress[0])} of ${bytes(progress[1])} sent`}
        />
      )}
    </form>
  );
}

export function DropZone() {
  const [wanted, setWanted] = useState<Package | null>(null);
  const [error, setError] = useState("");
  const take = (files: File[]) => {
    setError("");
    packageOf(files).then(setWanted, (why) => setError(messageOf(why)));
  };
  return (
    <DropPlace label="New version" files="Files of a model" multiple take={take}>
      {(choose) => (
        <>
          {wanted ? (
            <Form key={wanted.model} wanted={wanted} close={() => setWanted(null)} />
          ) : (
            <p>
              Drop a model here, with its labels.txt and model.yaml or as a signed package, or{" "}
              <button type="button" onClick={choose}>
                choose files
              </button>
            </p>
          )}
          {error && <p class="error">{error}</p>}
        </>
      )}
    </DropPlace>
  );
}
