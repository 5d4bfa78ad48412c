// Images, from pixels of the browser to what a graph takes. Numbers are those of Pillow's bilinear resize.

const PRECISION = 2 ** 22; // of weights, which are whole numbers

// Returns the ImageData of an <img>, <canvas>, ImageBitmap or ImageData.
export function pixelsOf(image) {
  if (image instanceof ImageData) return image;
  const width = image.naturalWidth ?? image.width;
  const height = image.naturalHeight ?? image.height;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, width, height);
}

// Returns { width, height } of an image after the resize that a detector wants.
export function resizedSize(width, height, metadata) {
  const { short_side_px: short, max_side_px: longest, fixed_size_hw: fixed } = metadata;
  let sides = [height, width];
  if (fixed) {
    const scale = Math.min(fixed[0] / height, fixed[1] / width);
    sides = [height * scale, width * scale];
  } else if (short > 0) {
    const scale = short / Math.min(height, width);
    sides = height < width ? [short, width * scale] : [height * scale, short];
    const shrink = Math.min(1, longest / Math.max(...sides));
    if (shrink < 1) sides = sides.map((side) => side * shrink);
  }
  const [h, w] = sides.map((side) => Math.max(1, Math.floor(side + 0.5)));
  return { width: w, height: h };
}

// Returns { data, width, height }: three bytes a pixel in the detector's channel order, resized and
// filled up at right and bottom.
export function networkInput(pixels, size, metadata) {
  const resized = resize(withoutAlpha(pixels), pixels.width, pixels.height, size.width, size.height);
  const least = metadata.min_side_px;
  const fixed = metadata.fixed_size_hw;
  const height = fixed ? fixed[0] : Math.max(size.height, least);
  const width = fixed ? fixed[1] : Math.max(size.width, least);
  const isBGR = metadata.channel_order === "BGR";
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const isImage = y < size.height && x < size.width;
      for (let channel = 0; channel < 3; channel++) {
        const from = isBGR ? 2 - channel : channel;
        data[i++] = isImage ? resized[(y * size.width + x) * 3 + from] : metadata.fill_rgb[from];
      }
    }
  }
  return { data, width, height };
}

function withoutAlpha({ data, width, height }) {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    rgb[to++] = data[from];
    rgb[to++] = data[from + 1];
    rgb[to++] = data[from + 2];
  }
  return rgb;
}

// Returns an RGB image in another size: bilinear, over all pixels that a new one covers.
export function resize(rgb, width, height, newWidth, newHeight) {
  const wide = newWidth === width ? rgb : new Uint8Array(newWidth * height * 3);
  if (wide !== rgb) {
    alongLines(rgb, wide, { lines: height, size: width, newSize: newWidth, step: 3, line: width * 3, newLine: newWidth * 3 });
  }
  if (newHeight === height) return wide;
  const resized = new Uint8Array(newWidth * newHeight * 3);
  alongLines(wide, resized, { lines: newWidth, size: height, newSize: newHeight, step: newWidth * 3, line: 3, newLine: 3 });
  return resized;
}

// Resizes all lines, rows or columns, of an image; step: from a pixel to the next, line: to the next line.
function alongLines(source, target, { lines, size, newSize, step, line, newLine }) {
  const scale = size / newSize;
  const reach = Math.max(scale, 1);
  for (let place = 0; place < newSize; place++) {
    const center = (place + 0.5) * scale;
    const first = Math.max(Math.trunc(center - reach + 0.5), 0);
    const end = Math.min(Math.trunc(center + reach + 0.5), size);
    const shares = Array.from({ length: end - first }, (_, i) =>
      Math.max(0, 1 - Math.abs((first + i - center + 0.5) / reach)),
    );
    const total = shares.reduce((sum, share) => sum + share, 0);
    const weights = shares.map((share) => Math.trunc((share / total) * PRECISION + 0.5));
    for (let row = 0; row < lines; row++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = PRECISION / 2;
        let from = row * line + first * step + channel;
        for (const weight of weights) {
          sum += source[from] * weight;
          from += step;
        }
        target[row * newLine + place * step + channel] = Math.min(Math.floor(sum / PRECISION), 255);
      }
    }
  }
}
