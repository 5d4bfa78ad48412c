// CLIP's byte-pair encoding, as `detic_lite.tokenizer` has it.

const LIGATURES = /[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06\uff01-\uffef\u3000]/gu;
const WORD = /'(?:s|t|re|ve|m|ll|d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/gu;

export class Tokenizer {
  // about: the content of the .text.json file.
  constructor({ byte_ids, merges, context_length }) {
    this.byteIds = byte_ids;
    this.ranks = new Map(merges.map(([left, right], rank) => [`${left} ${right}`, rank]));
    this.start = 512 + merges.length;
    this.end = this.start + 1;
    this.contextLength = context_length;
  }

  // Returns the tokens of a text; of one that is too long, those of its beginning.
  encode(text) {
    const words = plainText(text).match(WORD) ?? [];
    const tokens = words.flatMap((word) => this.#merged(word));
    return [this.start, ...tokens.slice(0, this.contextLength - 2), this.end];
  }

  #merged(word) {
    let tokens = Array.from(new TextEncoder().encode(word), (byte) => this.byteIds[byte]);
    tokens[tokens.length - 1] += 256;
    for (;;) {
      const ranks = tokens.slice(1).map((token, i) => this.ranks.get(`${tokens[i]} ${token}`) ?? Infinity);
      const best = Math.min(...ranks);
      if (best === Infinity) return tokens;
      const merged = [];
      for (let i = 0; i < tokens.length; i++) {
        merged.push(ranks[i] === best ? 512 + best : tokens[i]);
        if (ranks[i] === best) i++;
      }
      tokens = merged;
    }
  }
}

// Returns a text in small letters, with single spaces and plain quotes and letters.
export function plainText(text) {
  return text
    .replace(LIGATURES, (character) => character.normalize("NFKC"))
    .replace(/[\u02bc\u2018\u2019\u201a\u201b]/g, "'")
    .replace(/[\u201c\u201d\u201e\u201f]/g, '"')
    .normalize("NFC")
    .trim()
    .toLowerCase();
}
