// The arithmetic of the page.
import { Matrix } from "./trace";

export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let at = 1; at < values.length; at++) if (values[at] > values[best]) best = at;
  return best;
}

export function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let at = 0; at < values.length; at++) total += values[at];
  return total;
}

export function norm(values: ArrayLike<number>): number {
  let total = 0;
  for (let at = 0; at < values.length; at++) total += values[at] * values[at];
  return Math.sqrt(total);
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let at = 0; at < a.length; at++) total += a[at] * b[at];
  return total;
}

export function extent(values: ArrayLike<number>): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (let at = 0; at < values.length; at++) {
    if (values[at] < low) low = values[at];
    if (values[at] > high) high = values[at];
  }
  return values.length ? [low, high] : [0, 1];
}

/** The mean of several matrices of one shape. */
export function meanOf(matrices: Matrix[]): Matrix {
  const data = new Float32Array(matrices[0].data.length);
  for (const one of matrices) for (let at = 0; at < data.length; at++) data[at] += one.data[at] / matrices.length;
  return new Matrix(matrices[0].rows, matrices[0].cols, data);
}

/** weights (S) @ states (S, E). */
export function weighted(weights: ArrayLike<number>, states: Matrix): Float32Array {
  const out = new Float32Array(states.cols);
  for (let row = 0; row < states.rows; row++) {
    const values = states.row(row);
    for (let at = 0; at < out.length; at++) out[at] += weights[row] * values[at];
  }
  return out;
}

/** Means of `count` neighbouring groups of units, for a strip that fits on the screen. */
export function pooled(values: Float32Array, count: number): Float32Array {
  const most = Math.min(count, values.length);
  const out = new Float32Array(most);
  for (let bin = 0; bin < most; bin++) {
    const start = Math.floor((bin * values.length) / most);
    const end = Math.floor(((bin + 1) * values.length) / most);
    // The value furthest from zero: a mean of many units would always be close to nothing.
    for (let at = start; at < end; at++) if (Math.abs(values[at]) > Math.abs(out[bin])) out[bin] = values[at];
  }
  return out;
}

/** Cosine of every pair of rows. */
export function cosines(states: Matrix): Matrix {
  const n = states.rows;
  const norms = Array.from({ length: n }, (_, row) => norm(states.row(row)) || 1);
  const out = new Float32Array(n * n);
  for (let a = 0; a < n; a++) {
    for (let b = a; b < n; b++) {
      const value = dot(states.row(a), states.row(b)) / (norms[a] * norms[b]);
      out[a * n + b] = out[b * n + a] = value;
    }
  }
  return new Matrix(n, n, out);
}

export interface Principal {
  points: [number, number][];
  shares: [number, number];
}

/** The first two principal axes, by power iteration with deflation; `shares` of the variance, 0 to 1. */
export function principal(states: Matrix, iterations = 150): Principal {
  const { rows, cols } = states;
  const centred = new Float32Array(states.data);
  for (let c = 0; c < cols; c++) {
    let mean = 0;
    for (let r = 0; r < rows; r++) mean += centred[r * cols + c] / rows;
    for (let r = 0; r < rows; r++) centred[r * cols + c] -= mean;
  }
  const total = dot(centred, centred) || 1;
  const data = new Matrix(rows, cols, centred);
  const axes: Float32Array[] = [];
  const shares: number[] = [];
  for (let axis = 0; axis < 2; axis++) {
    let vector = Float32Array.from({ length: cols }, (_, at) => Math.sin(at * 12.9898 + axis + 1)); // any fixed start
    for (let round = 0; round < iterations; round++) {
      const along = Float32Array.from({ length: rows }, (_, row) => dot(data.row(row), vector));
      const next = weighted(along, data);
      for (const found of axes) {
        const part = dot(next, found);
        for (let at = 0; at < cols; at++) next[at] -= part * found[at];
      }
      const length = norm(next);
      if (length < 1e-12) break;
      vector = next.map((value) => value / length);
    }
    const along = Float32Array.from({ length: rows }, (_, row) => dot(data.row(row), vector));
    shares.push(dot(along, along) / total);
    axes.push(vector);
  }
  // Of the two signs of an axis the one with its largest part positive: the same picture each time.
  const signs = axes.map((axis) => (axis[argmax(axis.map(Math.abs))] < 0 ? -1 : 1));
  const points = Array.from(
    { length: rows },
    (_, row): [number, number] => [
      signs[0] * dot(data.row(row), axes[0]),
      signs[1] * dot(data.row(row), axes[1]),
    ],
  );
  return { points, shares: [shares[0], shares[1]] };
}

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

/** Mean with a 95 % interval from 500 bootstrap samples. */
export function bootstrapMean(values: number[], seed = 1): { mean: number; low: number; high: number } {
  const mean = sum(values) / values.length;
  const random = seeded(seed);
  const means = Array.from({ length: 500 }, () => {
    let total = 0;
    for (let at = 0; at < values.length; at++) total += values[Math.floor(random() * values.length)];
    return total / values.length;
  }).sort((a, b) => a - b);
  return { mean, low: means[12], high: means[487] };
}

export type Change = "same" | "changed" | "added" | "removed";

/** Two token lists side by side, by longest common subsequence. */
export function differences(before: string[], after: string[]): { before: Change[]; after: Change[] } {
  const n = before.length;
  const m = after.length;
  const table = Array.from({ length: n + 1 }, () => new Int32Array(m + 1));
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      table[i][j] = before[i] === after[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  const left: Change[] = [];
  const right: Change[] = [];
  let i = 0;
  let j = 0;
  while (i < n || j < m) {
    if (i < n && j < m && before[i] === after[j]) {
      left.push("same");
      right.push("same");
      i++;
      j++;
    } else if (j >= m || (i < n && table[i + 1][j] >= table[i][j + 1])) {
      left.push("removed");
      i++;
    } else {
      right.push("added");
      j++;
    }
  }
  return { before: left, after: right };
}

/** A number for people: three digits that matter. */
export function show(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000) return value.toFixed(0);
  if (size >= 1) return value.toFixed(size >= 100 ? 1 : 2);
  return size < 0.001 ? value.toExponential(1) : value.toFixed(digits);
}

/** A probability in percent. */
export function percent(value: number): string {
  const shown = value * 100;
  if (shown > 0 && shown < 0.1) return "<0.1 %";
  return `${shown.toFixed(shown < 10 ? 1 : 0)} %`;
}
