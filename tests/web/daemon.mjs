// SPDX-License-Identifier: Apache-2.0
//
// A daemon of a test, on a folder of its own.
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";

const START_TIMEOUT_MS = 120_000;
const LOOK_AGAIN_MS = 20;

export async function until(condition, what, timeoutMs = 60_000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > end) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

export class Daemon {
  #process;
  #log = "";

  constructor(program) {
    this.program = program;
    this.folder = mkdtempSync(join(tmpdir(), "inferd-web-"));
  }

  path(...parts) {
    return join(this.folder, ...parts);
  }

  write(path, text) {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), text, { mode: 0o600 });
  }

  read(path) {
    return readFileSync(this.path(path), "utf8");
  }

  addModel(name, file) {
    const folder = this.path("models", name, "1");
    mkdirSync(folder, { recursive: true });
    copyFileSync(file, join(folder, `model${extname(file)}`));
  }

  // Waits until it serves. `addresses` are then those of its HTTP listeners, in their order.
  async start() {
    this.#process = spawn(this.program, ["--config", "inferd.yaml"], { cwd: this.folder });
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream.on("data", (text) => (this.#log += text));
    const serves = () => this.#process.exitCode !== null || this.#log.includes("serving on unix:");
    await until(serves, "the daemon starts", START_TIMEOUT_MS);
    if (this.#process.exitCode !== null) throw new Error(`the daemon did not start: ${this.#log}`);
    this.addresses = [...this.#log.matchAll(/serving HTTP on (\S+)/g)].map((match) => match[1]);
  }

  get log() {
    return this.#log;
  }

  async stop() {
    if (this.#process && this.#process.exitCode === null) {
      const ended = new Promise((resolve) => this.#process.once("exit", resolve));
      this.#process.kill("SIGTERM");
      await ended;
    }
    rmSync(this.folder, { recursive: true });
  }
}
