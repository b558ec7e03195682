// SPDX-License-Identifier: Apache-2.0
//
// node speech_probabilities.mjs NODE_MODULES MODEL SAMPLES
//
// How probable it is that somebody speaks, for every 512 samples (float32, 16000 a second), as ONNX
// Runtime computes it with Silero's model: JSON on stdout.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, model, file] = process.argv.slice(2);
const ort = createRequire(`${folder}/`)("onnxruntime-node");
const bytes = readFileSync(file);
const samples = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const session = await ort.InferenceSession.create(model);
const rate = new ort.Tensor("int64", BigInt64Array.of(16000n), []);
let state = new ort.Tensor("float32", new Float32Array(2 * 128), [2, 1, 128]);
const input = new Float32Array(64 + 512);
const probabilities = [];
for (let at = 0; at + 512 <= samples.length; at += 512) {
  input.copyWithin(0, 512);
  input.set(samples.subarray(at, at + 512), 64);
  const tensor = new ort.Tensor("float32", input, [1, 576]);
  const given = await session.run({ input: tensor, state, sr: rate });
  state = given.stateN;
  probabilities.push(given.output.data[0]);
}
console.log(JSON.stringify(probabilities));
