// SPDX-License-Identifier: Apache-2.0
//
// The daemon's log as it is written.
import { useEffect, useRef, useState } from "preact/hooks";
import { messageOf, stream } from "../api";
import { clock, state } from "../text";
import type { LogLevel, LogLine } from "../types";
import { num } from "../types";

const KEPT = 500; // lines
const AGAIN_MS = 2000;

const LEVELS: [LogLevel, string][] = [
  ["LOG_LEVEL_DEBUG", "all"],
  ["LOG_LEVEL_INFO", "information"],
  ["LOG_LEVEL_WARNING", "warnings"],
  ["LOG_LEVEL_ERROR", "errors"],
];

// Follows it until `signal` is aborted, over restarts of the daemon.
async function follow(
  minLevel: LogLevel,
  got: (line: LogLine) => void,
  failed: (why: string) => void,
  began: () => void,
  signal: AbortSignal,
) {
  while (!signal.aborted) {
    began();
    try {
      await stream<LogLine>("HostService/TailLog", { lines: KEPT, minLevel }, got, signal);
      failed("");
    } catch (error) {
      if (!signal.aborted) failed(messageOf(error));
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function useLog(level: LogLevel) {
  const [lines, setLines] = useState<LogLine[]>([]);
  const [error, setError] = useState("");
  useEffect(() => {
    const abort = new AbortController();
    let kept: LogLine[] = [];
    let isPlanned = false;
    const got = (line: LogLine) => {
      kept.push(line);
      if (isPlanned) return;
      isPlanned = true; // many lines, one drawing
      requestAnimationFrame(() => {
        isPlanned = false;
        kept = kept.slice(-KEPT);
        setLines(kept);
        setError("");
      });
    };
    const began = () => {
      kept = [];
    };
    follow(level, got, setError, began, abort.signal);
    return () => abort.abort();
  }, [level]);
  return { lines, error };
}

export function LogView() {
  const [level, setLevel] = useState<LogLevel>("LOG_LEVEL_INFO");
  const [filter, setFilter] = useState("");
  const [isPaused, setPaused] = useState(false);
  const { lines, error } = useLog(level);
  const end = useRef<HTMLDivElement>(null);
  const shown = lines.filter((line) =>
    `${line.text} ${line.model ?? ""} ${line.pipeline ?? ""}`
      .toLowerCase()
      .includes(filter.toLowerCase()),
  );
  useEffect(() => {
    if (!isPaused && end.current) end.current.scrollTop = end.current.scrollHeight;
  }, [shown.length, lines]);
  return (
    <section class="panel log" aria-label="Log">
      <header>
        <h1>Log</h1>
        <label>
          from{" "}
          <select
            value={level}
            onChange={(event) => setLevel(event.currentTarget.value as LogLevel)}
          >
            {LEVELS.map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <input
          type="search"
          placeholder="containing"
          aria-label="Lines that contain"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
        <button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          Hold
        </button>
      </header>
      {error && <p class="error">{error}</p>}
      <div
        class="scroll"
        ref={end}
        tabIndex={0}
        role="log"
        aria-label="Lines of the log"
        aria-live="off"
      >
        {shown.map((line) => (
          <div key={line.number} class={`line ${state(line.level, "LOG_LEVEL_")}`}>
            <time>{clock(num(line.timeMs))}</time>
            <b>{state(line.level, "LOG_LEVEL_")}</b>
            <span>{line.text}</span>
          </div>
        ))}
      </div>
    </section>
  );
}
