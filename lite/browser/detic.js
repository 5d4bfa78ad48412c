// Runs detectors that `detic export` wrote as ONNX, in a browser, by onnxruntime-web.
//
//     const detector = await Detector.open(ort, "shapes.onnx");
//     await detector.setVocabulary(["red star", "yellow mug"]);
//     const found = await detector.detect(image);      // <img>, <canvas>, ImageBitmap or ImageData
//     for (const { name, score, box, mask } of found) ...
//
// Boxes are [x1, y1, x2, y2] in pixels of the image. Numbers are those of `detic_lite` in Python.

import { readEmbeddings, readMetadata } from "./files.js";
import { Tokenizer } from "./tokenizer.js";
import { resizedSize, networkInput, pixelsOf } from "./images.js";

export class Detector {
  // ort: the module onnxruntime-web. url: of the .onnx file; the text encoder is beside it.
  static async open(ort, url) {
    const bytes = await fetchBytes(url);
    const metadata = readMetadata(bytes);
    return new Detector(ort, url, metadata, await openSession(ort, bytes));
  }

  constructor(ort, url, metadata, session) {
    Object.assign(this, { ort, url, metadata, session, textEncoder: null, classes: null });
    this.vocabularySet = Promise.resolve(); // when the vocabulary that was named last is there
    this.scoreThreshold = metadata.default_threshold;
  }

  // vocabulary: a list of names, or the address of a .safetensors file of `detic vocabulary embed`.
  // Of several calls at once, the last one counts in the end, however long each takes.
  async setVocabulary(vocabulary) {
    const change = Promise.all([this.#read(vocabulary), this.vocabularySet]).then(([classes]) => {
      this.classes = classes;
    });
    this.vocabularySet = change.catch(() => {}); // a mistake is told by its own call
    return change;
  }

  // Returns the embeddings of class names, Float32Array of names.length * embedding_dim.
  async embed(names) {
    this.textEncoder ??= NameEncoder.open(this.ort, this.url, this.metadata);
    const encoder = await this.textEncoder.catch((error) => {
      this.textEncoder = null; // it may be there later
      throw error;
    });
    return encoder.embed(names);
  }

  async #read(vocabulary) {
    if (typeof vocabulary === "string") return readEmbeddings(await fetchBytes(vocabulary), this.metadata);
    return { names: vocabulary, embeddings: await this.embed(vocabulary) };
  }

  // Returns a list of { name, label, score, box, mask, maskBox }, the highest score first; a mask has
  // 28 x 28 probabilities, which fill maskBox: pasteMask makes pixels of it. It is null after
  // --no-masks. box is the part of maskBox that lies in the image.
  async detect(image) {
    const { names, embeddings } = this.classes;
    const pixels = pixelsOf(image);
    const size = resizedSize(pixels.width, pixels.height, this.metadata);
    const input = networkInput(pixels, size, this.metadata);
    const tensor = (type, data, shape) => new this.ort.Tensor(type, data, shape);
    const out = await this.session.run({
      image: tensor("uint8", input.data, [input.height, input.width, 3]),
      class_embeddings: tensor("float32", embeddings, [names.length, this.metadata.embedding_dim]),
      thresholds: tensor("float32", new Float32Array(names.length).fill(this.scoreThreshold), [names.length]),
    });
    const scale = [pixels.width / size.width, pixels.height / size.height];
    const border = [pixels.width, pixels.height];
    const found = Array.from(out.scores.data, (score, row) => {
      const label = Number(out.classes.data[row]);
      const maskBox = Array.from(out.boxes.data.subarray(4 * row, 4 * row + 4), (side, i) => side * scale[i % 2]);
      const box = maskBox.map((side, i) => Math.min(Math.max(side, 0), border[i % 2]));
      const cells = out.masks && out.masks.dims[1] * out.masks.dims[2];
      const mask = out.masks ? out.masks.data.slice(cells * row, cells * (row + 1)) : null;
      return { name: names[label], label, score, box, mask, maskBox };
    });
    return found.filter(({ box }) => box[2] > box[0] && box[3] > box[1]);
  }
}

// Returns whether pixels belong to an object, Uint8Array of width * height zeros and ones.
export function pasteMask(mask, box, width, height) {
  const side = Math.sqrt(mask.length);
  const [x1, y1, x2, y2] = box;
  const pasted = new Uint8Array(width * height);
  const [left, top] = [Math.max(Math.floor(x1) - 1, 0), Math.max(Math.floor(y1) - 1, 0)];
  const [right, bottom] = [Math.min(Math.ceil(x2) + 1, width), Math.min(Math.ceil(y2) + 1, height)];
  const cell = (row, column) =>
    row < 0 || column < 0 || row >= side || column >= side ? 0 : mask[row * side + column];
  for (let y = top; y < bottom; y++) {
    const v = ((y + 0.5 - y1) / (y2 - y1)) * side - 0.5;
    const row = Math.floor(v);
    for (let x = left; x < right; x++) {
      const u = ((x + 0.5 - x1) / (x2 - x1)) * side - 0.5;
      const column = Math.floor(u);
      const above = cell(row, column) * (column + 1 - u) + cell(row, column + 1) * (u - column);
      const below = cell(row + 1, column) * (column + 1 - u) + cell(row + 1, column + 1) * (u - column);
      pasted[y * width + x] = above * (row + 1 - v) + below * (v - row) >= 0.5 ? 1 : 0;
    }
  }
  return pasted;
}

// Draws detections onto a canvas that shows their image.
export function draw(canvas, found) {
  const context = canvas.getContext("2d");
  const side = Math.sqrt(canvas.width * canvas.height);
  const textSize = Math.max(10, Math.round(0.03 * side));
  for (const { name, label, score, box, mask, maskBox } of found) {
    const hue = (label * 222.5) % 360;
    const [x1, y1, x2, y2] = box;
    if (mask) paint(context, pasteMask(mask, maskBox, canvas.width, canvas.height), hue);
    context.strokeStyle = context.fillStyle = `hsl(${hue} 85% 55%)`;
    context.lineWidth = Math.max(1, Math.round(side / 250));
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    context.font = `${textSize}px sans-serif`;
    context.fillText(`${name} ${Math.round(100 * score)}%`, x1, y1 > textSize + 4 ? y1 - 4 : y1 + textSize);
  }
}

function paint(context, inside, hue) {
  const { width, height } = context.canvas;
  const layer = new OffscreenCanvas(width, height);
  const painter = layer.getContext("2d");
  painter.fillStyle = `hsl(${hue} 85% 55%)`;
  painter.fillRect(0, 0, width, height);
  const pixels = painter.getImageData(0, 0, width, height);
  inside.forEach((is, i) => (pixels.data[4 * i + 3] = is ? 90 : 0));
  painter.putImageData(pixels, 0, 0);
  context.drawImage(layer, 0, 0);
}

// The text encoder that `detic export --text-encoder` writes beside a detector.
class NameEncoder {
  static async open(ort, url, metadata) {
    const beside = (suffix) => url.replace(/(\.onnx)?(?=[?#]|$)/, suffix);
    const about = JSON.parse(new TextDecoder().decode(await fetchBytes(beside(".text.json"))));
    const known = metadata.text_encoder_fingerprint;
    if (known !== null && known !== about.fingerprint) {
      throw new Error(`the text encoder ${beside(".text.onnx")} is another than the detector's; export both again`);
    }
    const session = await openSession(ort, await fetchBytes(beside(".text.onnx")));
    return Object.assign(new NameEncoder(), { ort, session, prompt: metadata.prompt, tokenizer: new Tokenizer(about) });
  }

  async embed(names) {
    const tokens = names.map((name) => this.tokenizer.encode(this.prompt.replaceAll("{}", () => name)));
    const length = Math.max(...tokens.map((ofText) => ofText.length));
    const padded = new BigInt64Array(names.length * length);
    tokens.forEach((ofText, row) => ofText.forEach((token, i) => (padded[row * length + i] = BigInt(token))));
    const input = new this.ort.Tensor("int64", padded, [names.length, length]);
    return (await this.session.run({ tokens: input })).embeddings.data;
  }
}

const openSession = (ort, bytes) => ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], logSeverityLevel: 3 });

async function fetchBytes(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} cannot be fetched: ${answer.status} ${answer.statusText}`);
  return new Uint8Array(await answer.arrayBuffer());
}
