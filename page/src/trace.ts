// A trace as the page uses it: docs/trace-format.md, with arrays unpacked when they are first looked at.
import { inflate, TraceError, unpack, type Packed } from "./arrays";

export interface Token {
  text: string;
  id: number;
  start: number;
  end: number;
}

export interface Sentence {
  text: string;
  tokens: Token[];
}

/** Rows of numbers. A vector has one row. */
export class Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float32Array;

  constructor(rows: number, cols: number, data: Float32Array) {
    if (rows * cols !== data.length) throw new TraceError(`an array of ${rows} x ${cols} has ${data.length} values`);
    this.rows = rows;
    this.cols = cols;
    this.data = data;
  }

  at(row: number, col: number): number {
    return this.data[row * this.cols + col];
  }

  row(row: number): Float32Array {
    return this.data.subarray(row * this.cols, (row + 1) * this.cols);
  }

  column(col: number): Float32Array {
    return Float32Array.from({ length: this.rows }, (_, row) => this.at(row, col));
  }

  /** Columns [start, end), as a copy. */
  columns(start: number, end: number): Matrix {
    const data = new Float32Array(this.rows * (end - start));
    for (let row = 0; row < this.rows; row++) data.set(this.row(row).subarray(start, end), row * (end - start));
    return new Matrix(this.rows, end - start, data);
  }

  transposed(): Matrix {
    const data = new Float32Array(this.data.length);
    for (let r = 0; r < this.rows; r++) for (let c = 0; c < this.cols; c++) data[c * this.rows + r] = this.at(r, c);
    return new Matrix(this.cols, this.rows, data);
  }

  static of(rows: number[][]): Matrix {
    return new Matrix(rows.length, rows[0]?.length ?? 0, Float32Array.from(rows.flat()));
  }
}

export interface Layer {
  hidden: Matrix;
  cell: Matrix | null;
  gates: Record<string, Matrix>;
}

export interface Attention {
  layer: number | null;
  head: number | null;
  scores: Matrix | null;
  weights: Matrix;
}

export interface Steps {
  tokens: Token[];
  logProbs: Float32Array;
  entropy: Float32Array;
  ranks: Float32Array;
  topIds: Matrix;
  topLogProbs: Matrix;
  embeddingNorms: Float32Array;
  layers: Layer[];
  attention: Attention[];
  /** A Transformer's decoder looking at what it has written; empty in others. */
  selfAttention: Attention[];
  pGen: Float32Array | null; // of a model that copies: the probability of generating
}

export interface Beam {
  beamSize: number;
  lengthPenalty: number;
  stop: string;
  maxLength: number;
  steps: Float32Array;
  parents: Float32Array;
  ids: Float32Array;
  logProbs: Float32Array;
  totals: Float32Array;
  scores: Float32Array;
  statuses: Float32Array;
  reasons: Float32Array;
  ranking: number[];
  referenceLeft: number | null;
}

export const STATUSES = ["alive", "finished", "pruned"] as const;
export const REASONS = [
  "among_the_best",
  "ended",
  "cut",
  "not_among_the_best",
  "end_not_among_the_best",
  "better_finished",
  "cannot_win",
  "enough_finished",
] as const;

export interface Attribution {
  method: string;
  values: Matrix;
  rankCorrelation: number | null;
}

export interface Frame {
  step: number;
  loss: number | null;
  weights: Matrix | null;
}

export interface Sample {
  source: string[];
  target: string[];
  frames: Frame[];
}

export type Row = Record<string, unknown>;

export interface Corpus {
  rows: Row[];
}

export interface Trace {
  model: Record<string, unknown>;
  source: Sentence;
  target: Sentence | null;
  output: Sentence & { score: number; logProb: number; finished: boolean };
  encoder: {
    directions: number;
    embeddingNorms: Float32Array;
    layers: Layer[];
    attention: Attention[];
    outputs: Matrix;
    final: Float32Array[];
  };
  bridge: { kind: string; states: Float32Array[]; context: Float32Array | null };
  steps: Steps;
  forced: { steps: Steps; score: number; logProb: number; firstDivergence: number | null } | null;
  beam: Beam | null;
  attributions: Attribution[];
  names: Record<string, string>;
  corpus: Corpus | null;
  timelapse: { samples: Sample[] } | null;
}

/* eslint-disable @typescript-eslint/no-explicit-any */
type Raw = any;

class Arrays {
  private readonly found = new Map<number, Matrix>();
  private readonly packed: Packed[];

  constructor(packed: Packed[]) {
    this.packed = packed;
  }

  matrix(reference: Raw): Matrix {
    const place: number = reference.array;
    let matrix = this.found.get(place);
    if (!matrix) {
      const one = this.packed[place];
      if (!one) throw new TraceError(`the trace names array ${place}, which is not there`);
      const [first, second] = one.shape;
      matrix = new Matrix(second === undefined ? 1 : first, second ?? first, unpack(one));
      this.found.set(place, matrix);
    }
    return matrix;
  }

  vector(reference: Raw): Float32Array {
    return this.matrix(reference).data;
  }

  vectorOrNull(reference: Raw): Float32Array | null {
    return reference ? this.vector(reference) : null;
  }

  matrixOrNull(reference: Raw): Matrix | null {
    return reference ? this.matrix(reference) : null;
  }
}

/** Getters in place of values, so that a long trace is on screen before all of it is unpacked. */
function lazily<T extends object>(parts: { [K in keyof T]: () => T[K] }): T {
  const result = {} as T;
  for (const key of Object.keys(parts) as (keyof T)[]) {
    Object.defineProperty(result, key, { get: parts[key], enumerable: true });
  }
  return result;
}

function layerOf(raw: Raw, arrays: Arrays): Layer {
  return lazily<Layer>({
    hidden: () => arrays.matrix(raw.hidden),
    cell: () => arrays.matrixOrNull(raw.cell),
    gates: () => Object.fromEntries(Object.keys(raw.gates ?? {}).map((name) => [name, arrays.matrix(raw.gates[name])])),
  });
}

function attentionOf(raw: Raw, arrays: Arrays): Attention {
  return lazily<Attention>({
    layer: () => raw.layer,
    head: () => raw.head,
    scores: () => arrays.matrixOrNull(raw.scores),
    weights: () => arrays.matrix(raw.weights),
  });
}

function stepsOf(raw: Raw, arrays: Arrays): Steps {
  const layers = raw.layers.map((one: Raw) => layerOf(one, arrays));
  const attention = raw.attention.map((one: Raw) => attentionOf(one, arrays));
  const selfAttention = (raw.self_attention ?? []).map((one: Raw) => attentionOf(one, arrays));
  return lazily<Steps>({
    tokens: () => raw.tokens,
    logProbs: () => arrays.vector(raw.log_probs),
    entropy: () => arrays.vector(raw.entropy),
    ranks: () => arrays.vector(raw.ranks),
    topIds: () => arrays.matrix(raw.top_ids),
    topLogProbs: () => arrays.matrix(raw.top_log_probs),
    embeddingNorms: () => arrays.vector(raw.embedding_norms),
    layers: () => layers,
    attention: () => attention,
    selfAttention: () => selfAttention,
    pGen: () => arrays.vectorOrNull(raw.p_gen),
  });
}

function beamOf(raw: Raw, arrays: Arrays): Beam {
  return lazily<Beam>({
    beamSize: () => raw.beam_size,
    lengthPenalty: () => raw.length_penalty,
    stop: () => raw.stop,
    maxLength: () => raw.max_length,
    steps: () => arrays.vector(raw.steps),
    parents: () => arrays.vector(raw.parents),
    ids: () => arrays.vector(raw.ids),
    logProbs: () => arrays.vector(raw.log_probs),
    totals: () => arrays.vector(raw.totals),
    scores: () => arrays.vector(raw.scores),
    statuses: () => arrays.vector(raw.statuses),
    reasons: () => arrays.vector(raw.reasons),
    ranking: () => raw.ranking,
    referenceLeft: () => raw.reference_left ?? null,
  });
}

/** Weights of the time-lapse: a packed array, a reference to one, or plain rows. */
function anyMatrix(raw: Raw, arrays: Arrays): Matrix | null {
  if (!raw) return null;
  if (Array.isArray(raw)) return Matrix.of(raw);
  if ("array" in raw) return arrays.matrix(raw);
  return new Matrix(raw.shape[0], raw.shape[1], unpack(raw));
}

function timelapseOf(raw: Raw, arrays: Arrays): { samples: Sample[] } | null {
  if (!raw) return null;
  const samples = raw.samples.map((sample: Raw) => ({
    source: sample.source,
    target: sample.target ?? [],
    frames: sample.frames.map((frame: Raw) =>
      lazily<Frame>({
        step: () => frame.step,
        loss: () => frame.loss ?? null,
        weights: () => anyMatrix(frame.weights, arrays),
      }),
    ),
  }));
  return { samples };
}

const VERSIONS = [1, 2];

function check(raw: Raw): void {
  if (raw?.format !== "seqweave-trace") throw new TraceError("this is not a trace of seqweave (its format is missing)");
  if (!VERSIONS.includes(raw.version)) throw new TraceError(`this page reads traces of version ${VERSIONS.join(" and ")}, but this one is of ${raw.version}`);
}

/** Read a trace. Raises TraceError, with a sentence for people, when it is none or of another version. */
export async function readTrace(raw: Raw): Promise<Trace> {
  check(raw);
  const packed = Array.isArray(raw.arrays) ? await Promise.all(raw.arrays.map(inflate)) : raw.arrays;
  return traceOf({ ...raw, arrays: packed });
}

function traceOf(raw: Raw): Trace {
  try {
    const arrays = new Arrays(raw.arrays);
    return {
      model: raw.model,
      source: raw.source,
      target: raw.target,
      output: { ...raw.output, logProb: raw.output.log_prob },
      encoder: {
        directions: raw.encoder.directions,
        embeddingNorms: arrays.vector(raw.encoder.embedding_norms),
        layers: raw.encoder.layers.map((one: Raw) => layerOf(one, arrays)),
        attention: raw.encoder.attention.map((one: Raw) => attentionOf(one, arrays)),
        outputs: arrays.matrix(raw.encoder.outputs),
        final: raw.encoder.final.map((one: Raw) => arrays.vector(one)),
      },
      bridge: {
        kind: raw.bridge.kind,
        states: raw.bridge.states.map((one: Raw) => arrays.vector(one)),
        context: arrays.vectorOrNull(raw.bridge.context),
      },
      steps: stepsOf(raw.steps, arrays),
      forced: raw.forced && {
        steps: stepsOf(raw.forced.steps, arrays),
        score: raw.forced.score,
        logProb: raw.forced.log_prob,
        firstDivergence: raw.forced.first_divergence ?? null,
      },
      beam: raw.beam && beamOf(raw.beam, arrays),
      attributions: (raw.attributions ?? []).map((one: Raw) =>
        lazily<Attribution>({
          method: () => one.method,
          values: () => arrays.matrix(one.values),
          rankCorrelation: () => one.rank_correlation ?? null,
        }),
      ),
      names: raw.names,
      corpus: raw.corpus ?? null,
      timelapse: timelapseOf(raw.timelapse, arrays),
    };
  } catch (error) {
    if (error instanceof TraceError) throw error;
    throw new TraceError(`the trace is damaged (${error instanceof Error ? error.message : error})`);
  }
}
