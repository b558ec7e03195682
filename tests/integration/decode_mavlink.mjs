// SPDX-License-Identifier: Apache-2.0
//
// node decode_mavlink.mjs NODE_MODULES HEX...
//
// What datagrams of MAVLink 2 say, by the message definitions of npm's mavlink-mappings: JSON on stdout, a line each. Fails for
// one that is none.
import assert from "node:assert";
import { createRequire } from "node:module";

const [folder, ...packets] = process.argv.slice(2);
const mavlink = createRequire(`${folder}/`)("mavlink-mappings");
const messages = { 0: mavlink.minimal.Heartbeat, 149: mavlink.common.LandingTarget };
const readers = {
  uint64_t: (bytes, at) => Number(bytes.readBigUInt64LE(at)),
  uint32_t: (bytes, at) => bytes.readUInt32LE(at),
  float: (bytes, at) => bytes.readFloatLE(at),
  "float[]": (bytes, at) => [0, 1, 2, 3].map((i) => bytes.readFloatLE(at + 4 * i)),
};

for (const packet of packets) {
  const bytes = Buffer.from(packet, "hex");
  const length = bytes[1];
  assert.deepEqual([bytes[0], bytes.length], [0xfd, length + 12], "the frame of MAVLink 2, without a signature");
  assert.deepEqual([bytes[2], bytes[3]], [0, 0], "flags");
  const message = messages[bytes.readUIntLE(7, 3)];
  assert.equal(bytes.readUInt16LE(10 + length), mavlink.x25crc(bytes, 1, 2, message.MAGIC_NUMBER), "the checksum");
  assert(length >= 1 && length <= message.PAYLOAD_LENGTH);
  const payload = Buffer.alloc(message.PAYLOAD_LENGTH);
  bytes.copy(payload, 0, 10, 10 + length);
  const fields = message.FIELDS.map((f) => [f.name, (readers[f.type] ?? ((b, at) => b[at]))(payload, f.offset)]);
  console.log(JSON.stringify({ name: message.MSG_NAME, sequence: bytes[4], system: bytes[5], component: bytes[6], ...Object.fromEntries(fields) }));
}
