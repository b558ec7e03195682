// SPDX-License-Identifier: Apache-2.0
//
// Runs a .tflite model in the official TensorFlow Lite runtime (npm package @tensorflow/tfjs-tflite, its
// WebAssembly build, in plain Node) and writes the outputs as .npy files, for comparison with inferd's.
//
//   node record_tflite_reference.mjs PACKAGE_FOLDER MODEL OUTPUT_FOLDER INPUT.npy [INPUT.npy ...]
//
// PACKAGE_FOLDER is the unpacked npm package. With several --runs ("OUTPUT_FOLDER INPUT.npy" pairs after --)
// the model is loaded once:
//
//   node record_tflite_reference.mjs PACKAGE_FOLDER MODEL -- OUT1 IN1.npy OUT2 IN2.npy ...
//
// An input file with the bytes of several samples, one behind the other, is run once for each; so are the outputs
// then, with the first dimension that many times as large.
//
// With --list many models are run in one process, each as often as it has runs, one after the other, so that
// what it remembers is seen: LIST is JSON, [{"model": FILE, "runs": [{"output": FOLDER, "inputs": [FILE...]}]}].
// Where the runtime refuses a model or fails, its reason goes to refused.txt in the folder of the first run:
//
//   node record_tflite_reference.mjs PACKAGE_FOLDER --list LIST
import fs from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';

const TFLITE_TO_NPY = {
  float32: '<f4', int32: '<i4', uint8: '|u1', int64: '<i8', int8: '|i1', int16: '<i2', bool: '|b1',
};

function npyData(file) {
  const bytes = fs.readFileSync(file);
  const headerLength = bytes.readUInt16LE(8);
  return bytes.subarray(10 + headerLength);
}

function writeNpy(file, descr, shape, data) {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  let header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + '\n';
  const prefix = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 0, 0]);
  prefix.writeUInt16LE(header.length, 8);
  fs.writeFileSync(file, Buffer.concat([prefix, Buffer.from(header, 'latin1'), data]));
}

async function loadRunner(packageFolder, modelFile) {
  const stem = path.join(packageFolder, 'wasm', 'tflite_web_api_cc_simd');
  const source = fs.readFileSync(stem + '.js', 'utf8') + '\n;tflite_web_api_ModuleFactory';
  // The module looks for a browser's globals; Node's own file access is not wanted, the bytes are given.
  const sandbox = {
    console, WebAssembly, TextDecoder, performance, setTimeout, clearTimeout,
    self: {location: {href: 'file:///'}}, importScripts: () => {},
  };
  const factory = vm.runInNewContext(source, sandbox);
  const module = await factory({wasmBinary: fs.readFileSync(stem + '.wasm'), print: () => {}});
  const model = fs.readFileSync(modelFile);
  const address = module._malloc(model.length);
  module.HEAPU8.set(model, address);
  const result = module.TFLiteWebModelRunner.CreateFromBufferAndOptions(
      address, model.length, {numThreads: 1, enableProfiling: false, maxProfilingBufferEntries: 0});
  if (!result.ok()) throw new Error(`the runtime refuses ${modelFile}: ${result.errorMessage()}`);
  return {runner: result.value(), module};
}

function list(tensors) {
  return Array.from({length: tensors.size()}, (_, i) => tensors.get(i));
}

function bytesOf(typed) {
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

function run({runner}, outputFolder, inputFiles) {
  const inputs = list(runner.GetInputs());
  if (inputs.length !== inputFiles.length) throw new Error(`the model has ${inputs.length} inputs`);
  const data = inputFiles.map(npyData);
  const sizes = inputs.map(tensor => bytesOf(tensor.data()).length);
  const samples = data[0].length / sizes[0];
  data.forEach((bytes, i) => {
    if (samples < 1 || bytes.length !== samples * sizes[i]) {
      throw new Error(`${inputFiles[i]} has ${bytes.length} bytes, the input takes ${sizes[i]}`);
    }
  });
  const results = list(runner.GetOutputs()).map(() => []);
  for (let s = 0; s < samples; ++s) {
    inputs.forEach((tensor, i) => bytesOf(tensor.data()).set(data[i].subarray(s * sizes[i], (s + 1) * sizes[i])));
    if (!runner.Infer()) throw new Error('inference failed');
    // Looked up anew: a run may move what depends on variables.
    list(runner.GetOutputs()).forEach((tensor, i) => results[i].push(Buffer.from(bytesOf(tensor.data()))));
  }
  fs.mkdirSync(outputFolder, {recursive: true});
  const names = list(runner.GetOutputs()).map((tensor, i) => {
    const shape = tensor.shape.split(',').filter(Boolean).map(Number);
    const descr = TFLITE_TO_NPY[tensor.dataType];
    if (!descr) throw new Error(`output type ${tensor.dataType} is not known`);
    if (samples > 1) shape[0] *= samples;
    writeNpy(path.join(outputFolder, `output_${i}.npy`), descr, shape, Buffer.concat(results[i]));
    return tensor.name;
  });
  fs.writeFileSync(path.join(outputFolder, 'meta.json'), JSON.stringify({outputs: names}, null, 1) + '\n');
}

async function runListed(packageFolder, {model, runs}) {
  const refusal = path.join(runs[0].output, 'refused.txt');
  fs.rmSync(refusal, {force: true});
  try {
    const runtime = await loadRunner(packageFolder, model);
    for (const {output, inputs} of runs) run(runtime, output, inputs);
  } catch (error) {
    fs.mkdirSync(runs[0].output, {recursive: true});
    fs.writeFileSync(refusal, `${error.message ?? error}\n`);
  }
}

const [packageFolder, modelFile, ...rest] = process.argv.slice(2);
if (modelFile === '--list' && rest.length === 1) {
  for (const entry of JSON.parse(fs.readFileSync(rest[0], 'utf8'))) await runListed(packageFolder, entry);
} else if (rest.length < 2) {
  console.error('usage: record_tflite_reference.mjs PACKAGE MODEL OUTPUT_FOLDER INPUT.npy ...');
  process.exit(2);
} else {
  const runtime = await loadRunner(packageFolder, modelFile);
  if (rest[0] === '--') {
    for (let i = 1; i + 1 < rest.length; i += 2) run(runtime, rest[i], [rest[i + 1]]);
  } else {
    run(runtime, rest[0], rest.slice(1));
  }
}
