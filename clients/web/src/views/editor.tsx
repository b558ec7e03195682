// SPDX-License-Identifier: Apache-2.0
//
// The YAML of a pipeline. What the daemon says of it stands behind the lines that it is about.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, messageOf } from "../api";
import { attempt } from "../store";
import type { PipelineCheck, PipelineFile, PipelineWritten } from "../types";

const CHECK_AFTER_MS = 500; // of no typing

export interface Problem {
  line: number; // from 1; 0: of no line of this file
  text: string;
}

// "file:line:column: message", where the file is `path`.
export function problemOf(error: string, path: string): Problem {
  const match = /^(.*?):(\d+):(\d+): (.*)$/s.exec(error);
  const own = match && (match[1] === path || path.endsWith(`/${match[1]}`));
  return own ? { line: Number(match[2]), text: match[4] as string } : { line: 0, text: error };
}

// What a file includes can be read by the daemon only when it is saved.
const problemsOf = (check: PipelineCheck, path: string): Problem[] => [
  ...(check.errors ?? []).map((error) => problemOf(error, path)),
  ...(check.missingFiles ?? []).map((file) => ({
    line: 0,
    text: `It includes ${file}, which is only looked at when this is saved.`,
  })),
];

function check(file: PipelineFile, text: string): Promise<PipelineCheck> {
  const { path = "", parameters = {} } = file;
  return call("PipelineService/CheckPipeline", { path, files: { [path]: text }, parameters });
}

function Lines({ text, problems }: { text: string; problems: Problem[] }) {
  return (
    <div class="lines" aria-hidden="true">
      {text.split("\n").map((line, i) => {
        const said = problems.filter((problem) => problem.line === i + 1);
        return (
          <div key={i} class={said.length ? "bad" : ""} data-line={i + 1}>
            <span class="gutter">{i + 1}</span>
            <span class="ghost">{line}</span>
            {said.length > 0 && (
              <span class="said">{said.map((problem) => problem.text).join("; ")}</span>
            )}
          </div>
        );
      })}
    </div>
  );
}

function goTo(area: HTMLTextAreaElement | null, line: number) {
  if (!area || line < 1) return;
  const lines = area.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  area.focus();
  area.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
}

function Problems({ list, go }: { list: Problem[] | null; go: (line: number) => void }) {
  return (
    <div class="problems" role="status">
      {list === null && <p class="empty">Checking …</p>}
      {list?.length === 0 && <p class="good">No errors.</p>}
      <ul>
        {(list ?? []).map((problem) => (
          <li key={`${problem.line} ${problem.text}`}>
            {problem.line > 0 ? (
              <button type="button" class="link" onClick={() => go(problem.line)}>
                line {problem.line}
              </button>
            ) : null}{" "}
            {problem.text}
          </li>
        ))}
      </ul>
    </div>
  );
}

// The file as the daemon has it; `error` says why there is none.
function useFile(pipeline: string) {
  const [file, setFile] = useState<PipelineFile | null>(null);
  const [error, setError] = useState("");
  const read = () =>
    call<PipelineFile>("PipelineService/ReadPipeline", { pipeline }).then(setFile, (why) =>
      setError(messageOf(why)),
    );
  useEffect(() => {
    read();
  }, [pipeline]);
  return { file, error, read, setFile };
}

// What the daemon says of a text, some time after it was typed; null: not known yet.
function useProblems(file: PipelineFile, text: string) {
  const [problems, setProblems] = useState<Problem[] | null>(null);
  useEffect(() => {
    let isLate = false;
    setProblems(null);
    const timer = setTimeout(() => {
      check(file, text).then(
        (answer) => isLate || setProblems(problemsOf(answer, file.path ?? "")),
        (why) => isLate || setProblems([{ line: 0, text: messageOf(why) }]),
      );
    }, CHECK_AFTER_MS);
    return () => {
      isLate = true;
      clearTimeout(timer);
    };
  }, [file.path, text]);
  return [problems, setProblems] as const;
}

interface FormProps {
  pipeline: string;
  file: PipelineFile;
  written: (text: string, revision: string) => void;
  again: () => void;
}

function Form({ pipeline, file, written, again }: FormProps) {
  const [text, setText] = useState(file.text ?? "");
  const [problems, setProblems] = useProblems(file, text);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => setText(file.text ?? ""), [file]);
  const apply = () =>
    attempt(`${pipeline} is written and runs as it says`, async () => {
      const request = { pipeline, text, revision: file.revision };
      const answer = await call<PipelineWritten>("PipelineService/WritePipeline", request);
      if (answer.errors?.length) {
        setProblems(answer.errors.map((error) => problemOf(error, file.path ?? "")));
        throw new Error("It has errors; nothing was changed.");
      }
      written(text, answer.revision ?? "");
    });
  const isChanged = text !== (file.text ?? "");
  return (
    <>
      <div class="code">
        <Lines text={text} problems={problems ?? []} />
        <textarea
          ref={area}
          aria-label={`YAML of ${pipeline}`}
          aria-invalid={Boolean(problems?.length)}
          spellcheck={false}
          autocapitalize="off"
          autocomplete="off"
          wrap="off"
          rows={text.split("\n").length + 1}
          value={text}
          readOnly={!file.writable}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </div>
      <Problems list={problems} go={(line) => goTo(area.current, line)} />
      <div class="buttons">
        <button
          type="button"
          class="main"
          disabled={
            !file.writable || !isChanged || problems === null || problems.some((p) => p.line > 0)
          }
          onClick={apply}
        >
          Apply
        </button>
        <button type="button" onClick={again}>
          Read again
        </button>
        {file.writable ? null : <span class="dim">{file.whyNot}</span>}
      </div>
    </>
  );
}

export function Editor({ pipeline }: { pipeline: string }) {
  const { file, error, read, setFile } = useFile(pipeline);
  return (
    <section class="panel" aria-label="File">
      <header>
        <h2>{file?.path ?? "File"}</h2>
      </header>
      {error && <p class="error">{error}</p>}
      {file && (
        <Form
          pipeline={pipeline}
          file={file}
          again={read}
          written={(text, revision) => setFile({ ...file, text, revision })}
        />
      )}
    </section>
  );
}
