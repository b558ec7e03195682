// SPDX-License-Identifier: Apache-2.0
//
// What the page asks the daemon for. Every request has the token, where there is one; none has a cookie.
import type {
  Answer,
  FrameResult,
  ModelStatistics,
  IndexEntry,
  UploadStatus,
  WhoAmI,
} from "./types";

const TOKEN = "inferd-token";
// Well below what a daemon takes in one message.
const PIECE_BYTES = 2 << 20;

// An answer that is a refusal; `code` as Connect names them ("permission_denied"), or "unavailable" where nobody answers.
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? "",
  set: (value: string) =>
    value ? sessionStorage.setItem(TOKEN, value) : sessionStorage.removeItem(TOKEN),
};

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const { code, message, error } = JSON.parse(text);
    return new ApiError(code ?? `http_${response.status}`, message ?? error ?? text);
  } catch {
    return new ApiError(`http_${response.status}`, text || `${response.status} of the daemon`);
  }
}

async function request(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  if (token.get()) headers.set("Authorization", `Bearer ${token.get()}`);
  let response: Response;
  try {
    response = await fetch(path, { credentials: "omit", ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError("unavailable", "The daemon does not answer.");
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

function post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  return request(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

// `method`: "PipelineService/ListPipelines".
export async function call<T>(method: string, question: object = {}): Promise<T> {
  return (await post(`/inferd.v1.${method}`, question)).json();
}

// Calls `got` for each message until the stream ends or `signal` is aborted; throws what ended it otherwise.
export async function stream<T>(
  method: string,
  question: object,
  got: (message: T) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await post(`/inferd.v1.${method}`, question, signal);
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of chunks(response)) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.filter((text) => text !== "")) {
      const { result, error } = JSON.parse(line);
      if (error) throw new ApiError(error.code, error.message);
      got(result);
    }
  }
}

async function* chunks(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

// A frame's result and, where it is a picture, its JPEG.
export interface LiveFrame {
  result: FrameResult;
  jpeg: Uint8Array<ArrayBuffer> | null;
}

// Takes exactly as many bytes as asked for out of pieces of any size.
class ByteReader {
  #pieces: AsyncGenerator<Uint8Array>;
  #left = new Uint8Array(0);

  constructor(response: Response) {
    this.#pieces = chunks(response);
  }

  // Null at the end of the stream.
  async take(count: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const taken = new Uint8Array(count);
    for (let have = 0; have < count; ) {
      if (this.#left.length === 0) {
        const next = await this.#pieces.next();
        if (next.done) return null;
        this.#left = new Uint8Array(next.value);
      }
      const part = this.#left.subarray(0, count - have);
      taken.set(part, have);
      have += part.length;
      this.#left = this.#left.subarray(part.length);
    }
    return taken;
  }

  // A record of 4 bytes of length, big-endian, and so many bytes.
  async record(): Promise<Uint8Array<ArrayBuffer> | null> {
    const length = await this.take(4);
    return length && this.take(new DataView(length.buffer).getUint32(0));
  }
}

// Frames of a pipeline until it stops or `signal` is aborted. `got` may take its time: frames that were made meanwhile are
// lost in the daemon, not kept here.
export async function live(
  pipeline: string,
  maxFps: number,
  got: (frame: LiveFrame) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const path = `/live/${encodeURIComponent(pipeline)}?max_fps=${maxFps}`;
  const reader = new ByteReader(await request(path, { signal }));
  for (;;) {
    const result = await reader.record();
    const jpeg = result && (await reader.record());
    if (!result || !jpeg) return;
    await got({
      result: JSON.parse(new TextDecoder().decode(result)),
      jpeg: jpeg.length ? jpeg : null,
    });
  }
}

// Sends what the daemon still lacks of one file of a package; `sent` hears how many bytes of it are there.
export async function uploadFile(
  upload: string,
  path: string,
  file: Blob,
  received: number,
  sent: (bytes: number) => void,
): Promise<void> {
  const headers = { "Content-Type": "application/octet-stream" };
  for (let offset = received; offset < file.size; offset += PIECE_BYTES) {
    const query = new URLSearchParams({ upload, path, offset: String(offset) });
    const body = file.slice(offset, offset + PIECE_BYTES);
    const response = await request(`/inferd.v1.DeploymentService/Upload?${query}`, {
      method: "PUT",
      headers,
      body,
    });
    (await response.json()) as UploadStatus;
    sent(Math.min(offset + PIECE_BYTES, file.size));
  }
}

// What a pipeline makes of a picture: JPEG, PNG or BMP.
export async function ask(
  pipeline: string,
  picture: Blob,
  signal: AbortSignal,
): Promise<FrameResult[]> {
  const headers = { "Content-Type": "application/octet-stream" };
  const query = new URLSearchParams({ pipeline });
  const path = `/inferd.v1.PipelineService/Ask?${query}`;
  const response = await request(path, { method: "PUT", headers, body: picture, signal });
  return ((await response.json()) as Answer).results ?? [];
}

export const whoAmI = async (): Promise<WhoAmI> => (await request("/inferd/whoami")).json();

export async function statistics(): Promise<ModelStatistics[]> {
  return (await (await request("/v2/models/stats")).json()).model_stats ?? [];
}

export async function repositoryIndex(): Promise<IndexEntry[]> {
  return (await post("/v2/repository/index", {})).json();
}
