// SPDX-License-Identifier: Apache-2.0
//
// The dashboard in a real browser, with a real daemon and a real model.
//
//   node page_test.mjs --inferd PROGRAM --models FOLDER [--screenshots FOLDER]
//
// Exits with 77 where the browser, the packages of npm or the models are not there.
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { parseArgs } from "node:util";
import { Daemon, until } from "./daemon.mjs";

const { values: args } = parseArgs({
  options: {
    inferd: { type: "string" },
    models: { type: "string" },
    screenshots: { type: "string" },
  },
});
const BROWSER = process.env.INFERD_BROWSER ?? "/usr/bin/chromium";
const MODEL = join(args.models, "onnx/yunet_n_320_320.onnx");
const PHOTOS = [join(args.models, "images/astronaut.png")]; // by NASA: pictures of it may be shown
const PERSON = join(args.models, "images/person.jpg");
const JOINTS = join(args.models, "tflite/movenet_single_pose_lightning_ptq.tflite");
const AREAS = join(args.models, "tflite/deeplabv3_mnv2_dm05_pascal_quant.tflite");
const TOKENS = { observe: "a-token-of-who-observes", admin: "a-token-of-who-may-all" };
const FIRST_SEEN_MS = 60_000; // on a machine that is busy
const MOST_BYTES = 300_000;

function skip(why) {
  console.error(`SKIPPED: the dashboard is not tested in a browser: ${why}`);
  process.exit(77);
}
for (const file of [BROWSER, MODEL, PERSON, JOINTS, AREAS, ...PHOTOS])
  if (!existsSync(file)) skip(`${file} is not there`);
const require = createRequire(import.meta.url);
let chromium, axe;
try {
  ({ chromium } = require("playwright-core"));
  axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
} catch {
  skip("its packages are not there; scripts/build-web.sh fetches them");
}

const FACES = `name: faces
source:
  images: {path: photos, fps: 5, loop: true, pan: true, zoom: 1.1, hold: 2}
stages:
  - letterbox
  - normalize: {mean: 0, std: 1, order: bgr}
  - infer: {model: faces}
  - decode_yunet: {min_score: 0.6}
  - nms: {iou: 0.3}
  - labels
  - track
`;
const CONFIG = `server:
  grpc: ["unix:grpc.sock"]
  write_pipelines: true
  http:
    - address: 127.0.0.1:0
    - address: 127.0.0.1:0
      allow:
        - {roles: [observe], tokens: observe}
        - {roles: [infer, observe, admin], tokens: admin}
models:
  root: models
  deployments: {probation: {seconds: 1}}
pipelines:
  - {file: faces.yaml}
  - name: pattern
    nodes:
      camera: {source: {test_pattern: {fps: 5, width: 320, height: 240}}}
      all: {from: camera}
      some: {from: camera, every: 2}
  - name: pose
    source: {images: {path: photos, fps: 1, loop: true}}
    stages: [letterbox, infer: {model: joints}, decode_pose: {min_score: 0.2}]
  - name: segments
    source: {images: {path: photos, fps: 1, loop: true}}
    stages: [resize, infer: {model: areas}, decode_segments: {mask: true, size: 64}]
`;
// What is found is drawn in one of these.
const COLOURS = [0x56b4e9, 0xe69f00, 0x2fc79a, 0xf0e442, 0xff8a5c, 0xe59ac6, 0xc5d4e3];

let daemon, browser, context, page;
let complaints = [];

before(async () => {
  daemon = new Daemon(args.inferd);
  daemon.addModel("faces", MODEL);
  daemon.addModel("joints", JOINTS);
  daemon.addModel("areas", AREAS);
  daemon.write("models/faces/1/labels.txt", "face\n");
  mkdirSync(daemon.path("photos"));
  PHOTOS.forEach((photo, i) => copyFileSync(photo, daemon.path("photos", `${i}.png`)));
  daemon.write("faces.yaml", FACES);
  for (const [role, token] of Object.entries(TOKENS)) daemon.write(role, `${token}\n`);
  daemon.write("inferd.yaml", CONFIG);
  await daemon.start();
  const options = ["--no-sandbox", "--disable-dev-shm-usage"];
  browser = await chromium.launch({ executablePath: BROWSER, args: options });
});

after(async () => {
  await browser?.close();
  await daemon?.stop();
});

afterEach(async () => {
  await context?.close();
  context = undefined;
  assert.deepEqual(complaints.splice(0), [], "the browser's console has errors");
});

// A tab of a browser that knows nothing yet.
async function open(hash = "", { listener = 0, answered = () => {}, ...options } = {}) {
  await context?.close();
  context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  page = await context.newPage();
  page.setDefaultTimeout(FIRST_SEEN_MS);
  page.on("response", answered);
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (said) => said.type() === "error" && complaints.push(said.text()));
  await page.goto(`http://${daemon.addresses[listener]}/ui/${hash}`);
}

async function picture(name) {
  if (!args.screenshots) return;
  mkdirSync(args.screenshots, { recursive: true });
  await page.screenshot({ type: "jpeg", path: join(args.screenshots, `${name}.jpg`), quality: 82 });
}

const shown = (pipeline) => page.locator(`canvas[aria-label^="${pipeline}: "][data-shown="yes"]`);

// Pixels of a canvas that have exactly one of those colours.
const drawnPixels = (canvas) =>
  canvas.evaluate((element, colours) => {
    const { data } = element.getContext("2d").getImageData(0, 0, element.width, element.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (colours.includes((data[i] << 16) | (data[i + 1] << 8) | data[i + 2])) count++;
    }
    return count;
  }, COLOURS);

const badges = (version) =>
  page.locator('article[aria-label="Model faces"] tbody tr', {
    has: page.getByRole("rowheader", { name: version, exact: true }),
  });

test("faces have their boxes in the live view", async () => {
  await open();
  await shown("faces").waitFor();
  await page.locator('canvas[aria-label*=" face"]').waitFor();
  await until(async () => (await drawnPixels(shown("faces"))) > 200, "boxes are drawn");
  await shown("pattern").waitFor();
  assert.equal(await drawnPixels(shown("pattern")), 0, "nothing is found in the pattern");
  await picture("pipelines");
});

test("a pipeline's graph has its edges and the times of its stages", async () => {
  await open("#/pipeline/faces");
  await page.locator(".graph .time", { hasText: "ms" }).first().waitFor();
  assert.match(await page.locator(".graph").getAttribute("aria-label"), /infer [\d.]+ ms/);
  assert.equal(await page.locator(".graph .edge").count(), 1);
  await page.locator("td", { hasText: "face" }).first().waitFor();
  await picture("pipeline");
  await open("#/pipeline/pattern");
  await page.locator(".graph .edge").nth(1).waitFor();
  await picture("graph");
});

test("who administers stops and starts a pipeline", async () => {
  await open("#/pipeline/pattern");
  await page.getByRole("button", { name: "Stop" }).click();
  // A frame may have been dropped as "stopped", too.
  await page.locator(".badge", { hasText: /^stopped$/ }).first().waitFor();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await shown("pattern").waitFor();
});

test("a model that is dropped is deployed, and rolled back", async () => {
  await open("#/models");
  const bytes = readFileSync(MODEL).toString("base64");
  const transfer = await page.evaluateHandle((base64) => {
    const list = new DataTransfer();
    const content = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    list.items.add(new File([content], "faces.onnx"));
    list.items.add(new File(["face\n"], "labels.txt"));
    return list;
  }, bytes);
  await page.locator(".drop").dispatchEvent("drop", { dataTransfer: transfer });
  await page.getByRole("button", { name: "Send and deploy" }).click();
  const deployment = page.getByRole("article", { name: "Deployment of faces 1 → 2" });
  await deployment.getByText("publish").waitFor();
  await deployment.getByText("done", { exact: true }).waitFor();
  await badges("2").getByText("serves").waitFor();
  await picture("models");
  await page.getByRole("button", { name: "Roll back to 1" }).click();
  await badges("1").getByText("serves").waitFor();
  await badges("2").getByText("rolled back").waitFor();
});

test("an error in YAML stands at its line, and what is right is applied", async () => {
  await open("#/pipeline/faces/file");
  const area = page.getByLabel("YAML of faces");
  await page.getByText("No errors.").waitFor();
  await area.fill(FACES.replace("min_score: 0.6", "min_scroe: 0.6"));
  const bad = page.locator(".lines .bad");
  await bad.waitFor();
  assert.equal(await bad.getAttribute("data-line"), "8");
  assert.match(await bad.innerText(), /min_scroe/);
  assert.ok(await page.getByRole("button", { name: "Apply" }).isDisabled());
  await picture("file");
  await area.fill(FACES.replace("fps: 5", "fps: 6"));
  await page.getByText("No errors.").waitFor();
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByText("is written and runs as it says").waitFor();
  assert.match(daemon.read("faces.yaml"), /fps: 6/);
});

async function signIn(role) {
  await page.getByLabel("Token").fill(TOKENS[role]);
  await page.getByRole("button", { name: "Look" }).click();
  await page.getByRole("link", { name: "Models" }).waitFor();
}

// What the daemon says to a write with this role's token, whatever the page offers.
const writes = (token) =>
  page.evaluate(async (bearer) => {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${bearer}` };
    const body = JSON.stringify({ pipeline: "faces" });
    return (await fetch("/inferd.v1.PipelineService/ReadPipeline", { method: "POST", headers, body }))
      .status;
  }, token);

test("roles decide what is offered, and what is answered", async () => {
  await open("", { listener: 1 });
  await signIn("observe");
  assert.equal(await page.getByRole("link", { name: "Log" }).count(), 0);
  assert.equal(await page.getByRole("link", { name: "Try" }).count(), 0);
  await page.getByRole("link", { name: "faces" }).click();
  await page.getByRole("region", { name: "Graph of the pipeline" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Stop" }).count(), 0);
  await page.getByRole("link", { name: "Models" }).click();
  await page.getByRole("article", { name: "Model faces" }).waitFor();
  assert.equal(await page.locator(".drop").count(), 0);
  assert.equal(await writes(TOKENS.observe), 403);
  assert.equal(complaints.splice(0).length, 1, "of the refusal");
  assert.equal(await writes(TOKENS.admin), 200);
  await page.getByRole("button", { name: "Leave" }).click();
  await signIn("admin");
  await page.getByRole("link", { name: "Log" }).click();
  await page.getByRole("log").getByText("serving HTTP").first().waitFor();
});

// Edges of the first box in the table, in %.
async function firstBox() {
  const found = page.getByRole("region", { name: "Found" }).locator("tbody .numbers");
  return (await found.first().innerText()).split(" ").map(Number);
}

const yours = () => page.locator('canvas[aria-label^="your picture: "][aria-label*=" face"]');

test("a picture of one's own is asked about", async () => {
  await open("#/try");
  await page.getByLabel("A picture").setInputFiles(PHOTOS[0]);
  await yours().waitFor();
  await until(async () => (await drawnPixels(yours())) > 200, "a box is drawn");
  const [left, top, right, bottom] = await firstBox();
  assert.ok(left > 30 && right < 60 && top > 5 && bottom < 45, "where the astronaut's face is");
  assert.equal(await page.locator('option[value="pattern"]').count(), 0, "it has no model");
  await picture("try");
  await page
    .getByLabel("A picture")
    .setInputFiles({ name: "a.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
  await page.getByText("a.png is no picture that this browser knows.").waitFor();
});

test("a picture that a camera took on its side stands upright", async () => {
  await open("#/try");
  const png = readFileSync(PHOTOS[0]).toString("base64");
  // Lies on its left side, and says so: orientation 6 of Exif, a quarter to the right.
  const transfer = await page.evaluateHandle(async (base64) => {
    const content = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const upright = await createImageBitmap(new Blob([content], { type: "image/png" }));
    const canvas = new OffscreenCanvas(upright.height, upright.width);
    const context = canvas.getContext("2d");
    context.rotate(-Math.PI / 2);
    context.drawImage(upright, -upright.width, 0);
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
    const jpeg = new Uint8Array(await blob.arrayBuffer());
    const says = [0x45, 0x78, 0x69, 0x66, 0, 0, 0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1];
    const orientation = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0];
    const segment = [...says, ...orientation];
    const head = [0xff, 0xd8, 0xff, 0xe1, 0, segment.length + 2, ...segment];
    const list = new DataTransfer();
    list.items.add(new File([new Uint8Array(head), jpeg.slice(2)], "photo.jpg"));
    return list;
  }, png);
  await page.locator(".drop").dispatchEvent("drop", { dataTransfer: transfer });
  await yours().waitFor();
  const [left, top, right, bottom] = await firstBox();
  assert.ok(left > 30 && right < 60 && top > 5 && bottom < 45, "where the astronaut's face is");
});

// What the pipeline's model finds in the photo of a person, when that is shown with it.
async function ofThePerson(pipeline) {
  await open("#/try");
  await page.getByLabel("Model").selectOption(pipeline);
  const answered = page.waitForResponse((one) => one.url().endsWith(`Ask?pipeline=${pipeline}`));
  await page.getByLabel("A picture").setInputFiles(PERSON);
  const { results } = await (await answered).json();
  await page.locator('canvas[aria-label^="your picture: "]:not([aria-label*="known yet"])').waitFor();
  return results[0];
}

// From shoulders to wrists and hips, and from hips to ankles.
const LIMBS = "5-7 7-9 6-8 8-10 5-6 5-11 6-12 11-12 11-13 13-15 12-14 14-16".split(" ");

test("joints are joined", async () => {
  const { detections } = await ofThePerson("pose");
  const points = detections[0].keypoints;
  const both = LIMBS.map((limb) => limb.split("-").map((end) => points[end]));
  const seen = both.filter((ends) => ends.every(({ score }) => score >= 0.35));
  assert.ok(seen.length >= 6, `${seen.length} limbs are seen`);
  const middles = seen.map(([a, b]) => [(a.x + b.x) / 2, (a.y + b.y) / 2]);
  // How far the nearest pixel around each middle is from the colour, in levels.
  const look = (element, { at, colour }) => {
    const context = element.getContext("2d");
    const wanted = [colour >> 16, (colour >> 8) & 255, colour & 255];
    return at.map(([x, y]) => {
      const left = Math.round(x * element.width) - 1;
      const { data } = context.getImageData(left, Math.round(y * element.height) - 1, 3, 3);
      const apart = (i) => Math.max(...wanted.map((part, c) => Math.abs(part - data[4 * i + c])));
      return Math.min(...Array.from({ length: 9 }, (_, i) => apart(i)));
    });
  };
  const canvas = page.locator('canvas[aria-label^="your picture: "]');
  const drawn = () => canvas.evaluate(look, { at: middles, colour: COLOURS[0] });
  await until(async () => (await drawn()).every((levels) => levels < 40), "limbs are drawn");
});

test("areas are painted over the picture", async () => {
  const { mask } = await ofThePerson("segments");
  const base64 = readFileSync(PERSON).toString("base64");
  // The mean difference, in levels, of cells from what they should be: painted, and left alone.
  const look = async (element, { mask, base64, colours }) => {
    const content = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const photo = await createImageBitmap(new Blob([content]));
    const plain = new OffscreenCanvas(element.width, element.height).getContext("2d");
    plain.drawImage(photo, 0, 0);
    const { data: before } = plain.getImageData(0, 0, element.width, element.height);
    const after = element.getContext("2d").getImageData(0, 0, element.width, element.height).data;
    const sums = { painted: [0, 0], plain: [0, 0], moved: [0, 0] };
    const add = (sum, value) => ((sum[0] += value), sum[1]++);
    let cell = 0;
    for (let run = 0; run < mask.runs.length; run += 2) {
      for (const end = cell + mask.runs[run + 1]; cell < end; cell++) {
        const x = Math.floor((((cell % mask.width) + 0.5) * element.width) / mask.width);
        const y = Math.floor(((Math.floor(cell / mask.width) + 0.5) * element.height) / mask.height);
        const at = 4 * (y * element.width + x);
        const id = mask.runs[run];
        const colour = colours[id % colours.length];
        for (let c = 0; c < 3; c++) {
          const over = (colour >> (16 - 8 * c)) & 255;
          const was = before[at + c];
          const wanted = id === 0 ? was : was + ((over - was) * 120) / 255;
          add(id === 0 ? sums.plain : sums.painted, Math.abs(after[at + c] - wanted));
          if (id !== 0) add(sums.moved, Math.abs(after[at + c] - was));
        }
      }
    }
    const mean = ([sum, count]) => (count === 0 ? NaN : sum / count);
    return [sums.painted[1], mean(sums.painted), mean(sums.plain), mean(sums.moved)];
  };
  const canvas = page.locator('canvas[aria-label^="your picture: "]');
  await until(async () => {
    const found = await canvas.evaluate(look, { mask, base64, colours: COLOURS });
    const [count, painted, plain, moved] = found;
    return count > 300 && painted < 2 && plain < 1 && moved > 10;
  }, "areas are painted");
  const words = page.getByRole("region", { name: "Found" }).getByRole("status");
  assert.match(await words.innerText(), /^class 10 \d+ %, class 15 \d+ %/);
});

const VIEWS = [
  "",
  "#/pipeline/faces",
  "#/pipeline/faces/file",
  "#/models",
  "#/host",
  "#/try",
  "#/log",
];

test("it can be read by everybody, light and dark", async () => {
  for (const colorScheme of ["light", "dark"]) {
    for (const view of VIEWS) {
      await open(view, { colorScheme, bypassCSP: true });
      await page.locator("main .panel").first().waitFor();
      await page.evaluate(axe);
      const { violations } = await page.evaluate("axe.run()");
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
      assert.deepEqual(found, [], `${view} in ${colorScheme}`);
    }
  }
});

test("it fits on a phone", async () => {
  for (const view of VIEWS) {
    await open(view, { viewport: { width: 360, height: 740 } });
    await page.locator("main .panel").first().waitFor();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `${view} is ${wide} pixels wide`);
  }
  await open("#/pipeline/faces", { viewport: { width: 360, height: 740 }, colorScheme: "dark" });
  await shown("faces").waitFor();
  await picture("phone");
});

test("the keyboard is enough", async () => {
  await open();
  await page.getByRole("link", { name: "Models" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "To the content");
  for (let i = 0; i < 2; i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("article", { name: "Model faces" }).waitFor();
});

test("it is small and comes from nowhere else", async () => {
  const hosts = new Set();
  const bodies = [];
  const answered = (response) => {
    const url = new URL(response.url());
    if (url.protocol === "http:") hosts.add(url.host);
    if (url.pathname.startsWith("/ui/")) bodies.push(response.body());
  };
  await open("", { answered });
  await shown("faces").waitFor();
  assert.deepEqual([...hosts], [daemon.addresses[0]]);
  const all = (await Promise.all(bodies)).reduce((sum, body) => sum + body.length, 0);
  assert.ok(all > 10_000 && all < MOST_BYTES, `${all} bytes`);
});
