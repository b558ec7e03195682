// SPDX-License-Identifier: Apache-2.0
//
// Runs an .onnx model in ONNX Runtime (npm package onnxruntime-node) on a fixed pattern and writes the inputs and
// outputs as .npy files, for comparison with inferd's.
//
//   node record_onnx_reference.mjs NODE_MODULES MODEL OUTPUT_FOLDER
//
// Pattern: float32 (((i * 2654435761 mod 2^32) >> 8) mod 1000) / 500 - 1, uint8 (31 * i + 7) mod 256. Dimensions
// of unknown size become 1.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

const [nodeModules, modelFile, outputFolder] = process.argv.slice(2);
if (!outputFolder) {
  console.error('usage: record_onnx_reference.mjs NODE_MODULES MODEL OUTPUT_FOLDER');
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
const feeds = {};
session.inputMetadata.forEach((input, i) => {
  const dims = input.shape.map(d => (typeof d === 'number' && d > 0 ? d : 1));
  const data = pattern(input.type, dims.reduce((a, b) => a * b, 1));
  feeds[input.name] = new ort.Tensor(input.type, data, dims);
  writeNpy(path.join(outputFolder, `input_${i}.npy`), input.type, dims, data);
});
const outputs = await session.run(feeds);
session.outputNames.forEach((name, i) => {
  const t = outputs[name];
  writeNpy(path.join(outputFolder, `output_${i}.npy`), t.type, t.dims, t.data);
});
fs.writeFileSync(path.join(outputFolder, 'complete'), '');
