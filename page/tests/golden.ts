// Traces made up for the tests: any size, with or without attention, one matrix or layers and heads.
export interface Wanted {
  source: string[];
  target: string[];
  hidden?: number;
  attention?: "one" | "heads" | "none";
  gates?: string[];
  withTarget?: boolean;
  beam?: number;
}

/* eslint-disable @typescript-eslint/no-explicit-any */
type Raw = any;

function half(value: number): number {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, value);
  const word = bits.getUint32(0);
  const sign = (word >>> 16) & 0x8000;
  const exponent = ((word >>> 23) & 255) - 127 + 15;
  if (exponent <= 0) return sign;
  if (exponent >= 31) return sign | 0x7bff;
  return sign | (exponent << 10) | ((word >>> 13) & 1023);
}

class Writer {
  readonly arrays: Raw[] = [];

  add(type: string, shape: number[], values: ArrayLike<number>, scale = 1): { array: number } {
    const width = type === "f16" ? 2 : type === "u8" || type === "i8" ? 1 : 4;
    const bytes = new DataView(new ArrayBuffer(values.length * width));
    for (let at = 0; at < values.length; at++) {
      if (type === "f16") bytes.setUint16(at * 2, half(values[at]), true);
      else if (type === "f32") bytes.setFloat32(at * 4, values[at], true);
      else if (type === "i32") bytes.setInt32(at * 4, values[at], true);
      else bytes.setInt8(at, Math.round(values[at] / scale));
    }
    this.arrays.push({ type, scale, shape, data: Buffer.from(bytes.buffer).toString("base64") });
    return { array: this.arrays.length - 1 };
  }
}

function noise(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, at) => Math.sin(at * 12.9898 + seed * 78.233) * 0.9);
}

/** Attention along the diagonal, a little blurred. */
function diagonal(rows: number, cols: number, blur: number): number[] {
  const out: number[] = [];
  for (let r = 0; r < rows; r++) {
    const row = Array.from({ length: cols }, (_, c) => Math.exp(-(((c - (r * (cols - 1)) / Math.max(1, rows - 1)) / blur) ** 2)));
    const total = row.reduce((a, b) => a + b, 0);
    out.push(...row.map((value) => value / total));
  }
  return out;
}

export function goldenTrace(wanted: Wanted): Raw {
  const writer = new Writer();
  const hidden = wanted.hidden ?? 16;
  const S = wanted.source.length;
  const names: Record<string, string> = { 0: "<pad>", 1: "<unk>", 2: "<bos>", 3: "<eos>" };
  const ids = new Map<string, number>();
  const idOf = (text: string): number => {
    if (text === "<eos>") return 3;
    if (!ids.has(text)) ids.set(text, 4 + ids.size);
    names[ids.get(text)!] = text;
    return ids.get(text)!;
  };
  const tokens = (texts: string[]): Raw[] => texts.map((text, at) => ({ text, id: idOf(text), start: at, end: at + 1 }));
  const gatesOf = (rows: number): Raw => Object.fromEntries((wanted.gates ?? []).map((name, at) => [name, writer.add("u8", [rows, hidden], noise(rows * hidden, at + 5).map((v) => (v + 0.9) / 1.8), 1 / 255)]));
  const attention = (rows: number): Raw[] => {
    if (wanted.attention === "none") return [];
    const count = wanted.attention === "heads" ? 4 : 1;
    return Array.from({ length: count }, (_, at) => {
      const weights = diagonal(rows, S, 1 + at);
      return {
        layer: count > 1 ? Math.floor(at / 2) : null,
        head: count > 1 ? at % 2 : null,
        scores: writer.add("f16", [rows, S], weights.map((value) => Math.log(value + 1e-4))),
        weights: writer.add("f16", [rows, S], weights),
      };
    });
  };
  const stepsOf = (texts: string[]): Raw => {
    const all = tokens([...texts, "<eos>"]);
    const T = all.length;
    const k = 4;
    const others = [3, 4, 5, 6, 7];
    const top = all.flatMap((token: Raw) => [token.id, ...others.filter((id) => id !== token.id)].slice(0, k));
    for (const id of top) names[id] ??= `w${id}`;
    const logs = all.flatMap((_: Raw, at: number) => {
      const p = 0.55 + 0.4 * Math.abs(Math.sin(at));
      return [p, (1 - p) / 2, (1 - p) / 3, (1 - p) / 9].map(Math.log);
    });
    return {
      tokens: all,
      log_probs: writer.add("f32", [T], all.map((_: Raw, at: number) => logs[at * k])),
      entropy: writer.add("f32", [T], all.map((_: Raw, at: number) => 0.2 + 0.5 * Math.abs(Math.cos(at)))),
      ranks: writer.add("i32", [T], all.map(() => 0)),
      top_ids: writer.add("i32", [T, k], top),
      top_log_probs: writer.add("f32", [T, k], logs),
      embedding_norms: writer.add("f32", [T], noise(T, 3).map((v) => v + 2)),
      layers: [{ hidden: writer.add("f16", [T, hidden], noise(T * hidden, 2)), cell: null, gates: gatesOf(T) }],
      attention: attention(T),
      context: null,
      readout: null,
    };
  };
  const steps = stepsOf(wanted.target);
  const width = wanted.beam ?? 3;
  const nodes: number[][] = []; // step, parent, id, log_prob, total, score, status, reason
  let parent = -1;
  steps.tokens.forEach((token: Raw, step: number) => {
    const last = step === steps.tokens.length - 1;
    const own = nodes.length;
    nodes.push([step, parent, token.id, -0.1, -0.1 * (step + 1), -0.1, last ? 1 : 0, last ? 1 : 0]);
    for (let other = 1; other < width; other++) nodes.push([step, parent, 4 + other, -2, -2 - step, -2, 2, 3]);
    parent = own;
  });
  for (let other = 1; other < width; other++) names[4 + other] ??= `w${4 + other}`;
  const column = (type: string, at: number): Raw => writer.add(type, [nodes.length], nodes.map((node) => node[at]));
  const hiddenOf = writer.add("f16", [S, hidden], noise(S * hidden, 1));
  return {
    format: "seqweave-trace",
    version: 1,
    model: { cell: wanted.gates?.includes("r") ? "gru" : wanted.gates ? "lstm" : "rnn", attention: wanted.attention ?? "one", attention_position: "after", parameters: 1234567, encoder_layers: 1, decoder_layers: 1, reverse_source: false },
    source: { text: wanted.source.join(" "), tokens: tokens(wanted.source) },
    target: wanted.withTarget ? { text: wanted.target.join(" "), tokens: tokens(wanted.target) } : null,
    output: { text: wanted.target.join(" "), tokens: tokens(wanted.target), score: -0.5, log_prob: -1.5, finished: true },
    encoder: {
      directions: 1,
      embedding_norms: writer.add("f32", [S], noise(S, 4).map((v) => v + 2)),
      layers: [{ hidden: hiddenOf, cell: null, gates: gatesOf(S) }],
      attention: wanted.attention === "heads" ? [{ layer: 0, head: 0, scores: null, weights: writer.add("f16", [S, S], diagonal(S, S, 2)) }] : [],
      outputs: hiddenOf,
      final: [writer.add("f16", [hidden], noise(hidden, 8))],
    },
    bridge: { kind: "dense", states: [writer.add("f16", [hidden], noise(hidden, 9))], context: null },
    steps,
    forced: wanted.withTarget ? { steps, score: -0.5, log_prob: -1.5, first_divergence: null } : null,
    beam: {
      beam_size: width, length_penalty: 1, stop: "proven", max_length: 99,
      steps: column("i32", 0), parents: column("i32", 1), ids: column("i32", 2), log_probs: column("f32", 3), totals: column("f32", 4), scores: column("f32", 5),
      statuses: column("u8", 6), reasons: column("u8", 7), ranking: [parent], reference_left: null,
    },
    attributions: [],
    names,
    corpus: null,
    timelapse: null,
    arrays: writer.arrays,
  };
}

/** `count` items with some repetition. */
export function items(count: number, stem: string): string[] {
  return Array.from({ length: count }, (_, at) => `${stem}${at % 37}`);
}
