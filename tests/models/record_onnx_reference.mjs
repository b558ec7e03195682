// SPDX-License-Identifier: Apache-2.0
//
// Runs an .onnx model in ONNX Runtime (npm package onnxruntime-node) on a fixed pattern and writes the inputs and
// outputs as .npy files, for comparison with inferd's.
//
//   node record_onnx_reference.mjs NODE_MODULES MODEL OUTPUT_FOLDER
//
// Pattern: float32 (((i * 2654435761 mod 2^32) >> 8) mod 1000) / 500 - 1, uint8 (31 * i + 7) mod 256. Dimensions
// of unknown size become 1.
//
//   node record_onnx_reference.mjs NODE_MODULES MODEL OUTPUT_FOLDER INPUT.npy
//
// Instead of the pattern, the samples of INPUT.npy, one behind the other in the form of the first input, with the first
// dimension of the outputs that many times as large.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

const [nodeModules, modelFile, outputFolder, inputFile] = process.argv.slice(2);
if (!outputFolder) {
  console.error('usage: record_onnx_reference.mjs NODE_MODULES MODEL OUTPUT_FOLDER [INPUT.npy]');
  process.exit(2);
}
const ort = createRequire(path.join(path.resolve(nodeModules), 'package.json'))('onnxruntime-node');

const DESCR = {float32: '<f4', uint8: '|u1', int8: '|i1', int32: '<i4', int64: '<i8', bool: '|b1'};

function writeNpy(file, type, dims, data) {
  const tuple = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(', ')})`;
  let header = `{'descr': '${DESCR[type]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + '\n';
  const prefix = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 0, 0]);
  prefix.writeUInt16LE(header.length, 8);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  fs.writeFileSync(file, Buffer.concat([prefix, Buffer.from(header, 'latin1'), bytes]));
}

function pattern(type, count) {
  if (type === 'uint8') return Uint8Array.from({length: count}, (_, i) => (31 * i + 7) % 256);
  return Float32Array.from(
      {length: count}, (_, i) => ((Number(BigInt(i) * 2654435761n & 0xffffffffn) >>> 8) % 1000) / 500 - 1);
}

fs.mkdirSync(outputFolder, {recursive: true});
const session = await ort.InferenceSession.create(modelFile, {logSeverityLevel: 3});

function dimsOf(input) {
  return input.shape.map(d => (typeof d === 'number' && d > 0 ? d : 1));
}

async function runPattern() {
  const feeds = {};
  session.inputMetadata.forEach((input, i) => {
    const dims = dimsOf(input);
    const data = pattern(input.type, dims.reduce((a, b) => a * b, 1));
    feeds[input.name] = new ort.Tensor(input.type, data, dims);
    writeNpy(path.join(outputFolder, `input_${i}.npy`), input.type, dims, data);
  });
  const outputs = await session.run(feeds);
  session.outputNames.forEach((name, i) => {
    const t = outputs[name];
    writeNpy(path.join(outputFolder, `output_${i}.npy`), t.type, t.dims, t.data);
  });
}

// float32 and uint8, as the pattern.
function readNpy(file, type) {
  const bytes = fs.readFileSync(file);
  const data = Uint8Array.from(bytes.subarray(10 + bytes.readUInt16LE(8)));
  return type === 'uint8' ? data : new Float32Array(data.buffer);
}

async function runSamples() {
  const input = session.inputMetadata[0];
  const dims = dimsOf(input);
  const size = dims.reduce((a, b) => a * b, 1);
  const samples = readNpy(inputFile, input.type);
  const results = session.outputNames.map(() => []);
  for (let at = 0; at + size <= samples.length; at += size) {
    const outputs =
        await session.run({[input.name]: new ort.Tensor(input.type, samples.slice(at, at + size), dims)});
    session.outputNames.forEach((name, i) => results[i].push(outputs[name]));
  }
  results.forEach((tensors, i) => {
    const {type, dims: [first, ...rest], data} = tensors[0];
    const all = new data.constructor(tensors.length * data.length);
    tensors.forEach((t, s) => all.set(t.data, s * data.length));
    writeNpy(path.join(outputFolder, `output_${i}.npy`), type, [first * tensors.length, ...rest], all);
  });
}

await (inputFile ? runSamples() : runPattern());
fs.writeFileSync(path.join(outputFolder, 'complete'), '');
