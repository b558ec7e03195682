// SPDX-License-Identifier: Apache-2.0
//
// Files that were dropped, as a package that the daemon takes (docs/packages.md).
import { ApiError, call, uploadFile } from "./api";
import type { Deployment, StoredModel, UploadStatus } from "./types";
import { num } from "./types";

export interface Package {
  model: string;
  version: number; // 0: the next one
  files: Map<string, File>; // by their paths in the package
  manifest?: Uint8Array; // as it came; without, one is written
  signature?: Uint8Array;
}

const BESIDE = ["labels.txt", "model.yaml"];

// A folder's files have paths behind its name; a file that was chosen alone has none.
const pathOf = (file: File) => file.webkitRelativePath.split("/").slice(1).join("/") || file.name;
const content = async (file: File) => new Uint8Array(await file.arrayBuffer());

// Sorts out what came: a package with its manifest, or a model with what lies beside it.
export async function packageOf(dropped: File[]): Promise<Package> {
  const files = new Map(dropped.map((file) => [pathOf(file), file]));
  const manifest = files.get("manifest.json");
  const signature = files.get("manifest.sig");
  files.delete("manifest.json");
  files.delete("manifest.sig");
  if (manifest) {
    const bytes = await content(manifest);
    const { model, version } = JSON.parse(new TextDecoder().decode(bytes));
    const signed = signature && (await content(signature));
    return { model, version, files, manifest: bytes, signature: signed };
  }
  const models = [...files.keys()].filter((path) => !path.includes("/") && !BESIDE.includes(path));
  const [path] = models;
  const file = path === undefined ? undefined : files.get(path);
  if (models.length !== 1 || path === undefined || !file)
    throw new Error(
      `One model is wanted, with labels.txt and model.yaml where it has them; these are ${models.length}.`,
    );
  const dot = path.lastIndexOf(".");
  if (dot < 1) throw new Error(`“${path}” has no extension that says what kind of model it is.`);
  files.delete(path);
  files.set(`model${path.slice(dot)}`, file);
  return { model: path.slice(0, dot).replace(/[^A-Za-z0-9._-]/g, "_"), version: 0, files };
}

async function sha256(file: File): Promise<string> {
  if (!globalThis.crypto?.subtle)
    throw new Error(
      "The browser makes checksums only for pages that come over HTTPS or from this machine: open the page so, or use inferctl model push.",
    );
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function nextVersion(model: string): Promise<number> {
  try {
    const stored = await call<StoredModel>("DeploymentService/ShowModel", { model });
    return Math.max(0, ...(stored.versions ?? []).map((one) => num(one.version))) + 1;
  } catch (error) {
    if (error instanceof ApiError && error.code === "not_found") return 1;
    throw error;
  }
}

async function writeManifest(sent: Package): Promise<Uint8Array> {
  const files = [];
  for (const [path, file] of [...sent.files].sort(([a], [b]) => (a < b ? -1 : 1)))
    files.push({ path, bytes: file.size, sha256: await sha256(file) });
  const created = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const { model, version } = sent;
  const text = JSON.stringify({ format: 1, model, version, created, files }, null, 2);
  return new TextEncoder().encode(`${text}\n`);
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

async function sendFiles(status: UploadStatus, files: Map<string, File>, progress: Progress) {
  const wanted = status.files ?? [];
  const all = wanted.reduce((sum, file) => sum + num(file.transfer?.bytes), 0);
  let before = 0;
  for (const { transfer, received } of wanted) {
    const path = transfer?.path ?? "";
    const file = files.get(path);
    if (!file) throw new Error(`The daemon wants ${path}, which was not dropped.`);
    const sent = (bytes: number) => progress(before + bytes, all);
    sent(num(received));
    await uploadFile(status.upload ?? "", path, file, num(received), sent);
    before += file.size;
  }
}

// `sent` of `all` bytes are there.
export type Progress = (sent: number, all: number) => void;

// Sends a package and begins its deployment.
export async function push(wanted: Package, progress: Progress): Promise<Deployment> {
  const version = wanted.version || (await nextVersion(wanted.model));
  const manifest = wanted.manifest ?? (await writeManifest({ ...wanted, version }));
  const status = await call<UploadStatus>("DeploymentService/BeginUpload", {
    manifest: base64(manifest),
    signature: wanted.signature ? base64(wanted.signature) : undefined,
  });
  if (status.isStaged)
    return call("DeploymentService/Deploy", { versions: [{ model: wanted.model, version }] });
  await sendFiles(status, wanted.files, progress);
  return call("DeploymentService/Deploy", { uploads: [status.upload] });
}
