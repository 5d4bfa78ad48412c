// What files say about themselves.

// What OpenAI's weights are called, as `detic_lite.embedding_file` has it
const OPENAI_NAMES = new Set(["openai", "ViT-B-32-quickgelu", "ViT-B-32.pt", "open_clip_model.safetensors"]);

const text = (bytes) => new TextDecoder().decode(bytes);

// Returns what a detector says about itself (docs/export.md, Metadata); onnxruntime-web does not hand it
// out, so that it is read from the file: field 14 of ONNX's ModelProto holds pairs of key and value.
export function readMetadata(bytes) {
  for (const entry of fields(bytes, 14)) {
    const [key] = fields(entry, 1);
    if (text(key) !== "detic") continue;
    const metadata = JSON.parse(text(fields(entry, 2)[0]));
    if (metadata.format_version !== 1) {
      throw new Error(`an export of format ${metadata.format_version}, expected 1; export it again`);
    }
    return metadata;
  }
  throw new Error("the file does not say how its input is made; it is no file of `detic export`");
}

// Returns { names, embeddings } of a .safetensors file of `detic vocabulary embed`.
export function readEmbeddings(bytes, metadata) {
  const start = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(text(bytes.subarray(8, start)));
  const { dtype, shape, data_offsets } = header.embeddings;
  const { names, model, fingerprint } = JSON.parse(header.__metadata__.origin);
  if (!["F16", "F32"].includes(dtype)) throw new Error(`embeddings of type ${dtype}; expected F16 or F32`);
  if (names?.length !== shape[0]) {
    throw new Error("the file holds embeddings without their names; make it with `detic vocabulary embed`");
  }
  if (shape[1] !== metadata.embedding_dim || isOtherEncoder(model, fingerprint, metadata)) {
    throw new Error("the embeddings are of another text encoder than the detector's; embed them again");
  }
  const data = bytes.slice(start + data_offsets[0], start + data_offsets[1]);
  const embeddings = dtype === "F32" ? new Float32Array(data.buffer) : fromHalves(new Uint16Array(data.buffer));
  return { names, embeddings };
}

// Returns whether a text encoder is another than the detector's; names count without fingerprints.
function isOtherEncoder(model, fingerprint, { text_encoder: own, text_encoder_fingerprint: known }) {
  if (fingerprint && known) return fingerprint !== known;
  const name = model?.split("/").pop() ?? own;
  return name !== own && !(OPENAI_NAMES.has(name) && OPENAI_NAMES.has(own));
}

// Returns finite numbers of 16 bits as Float32Array.
function fromHalves(halves) {
  return Float32Array.from(halves, (bits) => {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    return bits >> 15 ? -size : size;
  });
}

// Returns the contents of a field of a message of Protocol Buffers, as bytes.
function fields(bytes, wanted) {
  const found = [];
  let place = 0;
  const number = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[place++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (place < bytes.length) {
    const tag = number();
    const kind = tag % 8;
    if (kind === 0) number();
    else if (kind === 2) {
      const end = number() + place;
      if (Math.floor(tag / 8) === wanted) found.push(bytes.subarray(place, end));
      place = end;
    } else place += kind === 1 ? 8 : 4;
  }
  return found;
}
