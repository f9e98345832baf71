// The parts which need no browser.
import { readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { inflate, TraceError, unpack } from "../src/arrays";
import { allTexts } from "../src/i18n";
import { isRightToLeft, labelOf, shortLabel } from "../src/labels";
import { bootstrapMean, cosines, differences, meanOf, norm, percent, pooled, principal, seeded, show, weighted } from "../src/numbers";
import { hashOf, stateFromHash, Store } from "../src/state";
import { Matrix, readTrace } from "../src/trace";
import { goldenTrace, items } from "./golden";

const trace = (name: string): unknown => JSON.parse(readFileSync(new URL(`traces/${name}.json`, import.meta.url), "utf8"));

test("packed arrays of every type", () => {
  const base64 = (bytes: number[]): string => Buffer.from(bytes).toString("base64");
  // 1, -2, the smallest and the largest half, infinity
  expect([...unpack({ type: "f16", shape: [5], data: base64([0, 0x3c, 0, 0xc0, 1, 0, 0xff, 0x7b, 0, 0x7c]) })]).toEqual([1, -2, 2 ** -24, 65504, Infinity]);
  expect([...unpack({ type: "f32", shape: [1], data: base64([0, 0, 0x80, 0xbf]) })]).toEqual([-1]);
  expect([...unpack({ type: "i32", shape: [1], data: base64([0xfe, 0xff, 0xff, 0xff]) })]).toEqual([-2]);
  const [one] = unpack({ type: "u8", shape: [1], scale: 1 / 255, data: base64([255]) });
  expect(one).toBeCloseTo(1);
  const [minus] = unpack({ type: "i8", shape: [1], scale: 1 / 127, data: base64([0x81]) });
  expect(minus).toBeCloseTo(-1);
  expect(() => unpack({ type: "f8", shape: [1], data: "" })).toThrow(TraceError);
});

test("deflated arrays: planes of bytes, and never more of them than the shape says", async () => {
  // The first bytes of 1, -2 and 65504 as halves, then the second ones.
  const planes = Buffer.from([0, 0, 0xff, 0x3c, 0xc0, 0x7b]);
  const packed = { type: "f16", shape: [3], deflated: true, data: deflateSync(planes).toString("base64") };
  expect([...unpack(await inflate(packed))]).toEqual([1, -2, 65504]);
  const plain = { type: "u8", shape: [1], data: "AQ==" };
  expect(await inflate(plain)).toBe(plain);
  await expect(inflate({ ...packed, shape: [2] })).rejects.toThrow(/damaged/);
  await expect(inflate({ ...packed, shape: [4] })).rejects.toThrow(/damaged/);
  await expect(inflate({ ...packed, data: "AAAA" })).rejects.toThrow(/damaged/);
  const bomb = deflateSync(Buffer.alloc(30_000_000)).toString("base64");
  await expect(inflate({ ...packed, data: bomb })).rejects.toThrow(/damaged/);
});

test.each(["rnn-no-attention", "lstm-additive", "gru-dot", "kor-jamo", "hostile", "copying", "transformer"])("the trace %s is read as it was written", async (name) => {
  const read = await readTrace(trace(name));
  const T = read.steps.tokens.length;
  expect(read.steps.logProbs.length).toBe(T);
  expect(read.steps.topIds.rows).toBe(T);
  expect(read.encoder.outputs.rows).toBe(read.source.tokens.length);
  expect(read.steps.pGen?.length ?? 0).toBe(name === "copying" ? T : 0);
  const total = read.steps.logProbs.reduce((a, b) => a + b, 0);
  expect(total).toBeCloseTo(read.output.logProb, 4);
  for (const one of [...read.steps.attention, ...read.steps.selfAttention]) {
    for (let row = 0; row < T; row++) expect(one.weights.row(row).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 2);
  }
  for (const { scores, weights } of read.steps.attention) {
    for (let row = 0; row < T; row++) expect(softmax(scores!.row(row))).toEqual([...weights.row(row)].map((value) => expect.closeTo(value, 2)));
  }
  for (const layer of read.steps.layers) for (const gate of Object.values(layer.gates)) expect(Math.max(...gate.data)).toBeLessThanOrEqual(1);
  const beam = read.beam!;
  expect(beam.ids[beam.ranking[0]]).toBe(read.steps.tokens[T - 1].id);
  expect(beam.totals[beam.ranking[0]]).toBeCloseTo(read.output.logProb, 3);
});

function softmax(scores: Float32Array): number[] {
  const most = Math.max(...scores);
  const powers = [...scores].map((score) => Math.exp(score - most));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

test("what is no trace is refused with a sentence", async () => {
  await expect(readTrace(null)).rejects.toThrow(/not a trace/);
  await expect(readTrace({})).rejects.toThrow(/not a trace/);
  await expect(readTrace({ format: "seqweave-trace", version: 3 })).rejects.toThrow(/version 1 and 2/);
  for (const arrays of [undefined, 1, [], [null], [{}]]) await expect(readTrace({ format: "seqweave-trace", version: 2, arrays })).rejects.toThrow(/damaged/);
});

test("labels: blanks, controls, jamo, right to left", () => {
  expect(labelOf("")).toBe("∅");
  expect(labelOf(" a\t")).toBe("␣a␣");
  expect(labelOf("\u0007")).toBe("?");
  expect(labelOf("a\u202eb")).toBe("a?b");
  expect(labelOf("\u200b\ufeff")).toBe("??");
  expect(labelOf("👩\u200d👧")).toBe("👩\u200d👧");
  expect(labelOf("\u0301a")).toBe("◌\u0301a");
  expect(labelOf("e\u0301")).toBe("e\u0301");
  expect([..."\u1112\u1161\u11ab"].map(labelOf)).toEqual(["ㅎ", "ㅏ", "ㄴ"]);
  expect(shortLabel("abcdef", 4)).toBe("abc…");
  expect(isRightToLeft("12 שלום")).toBe(true);
  expect(isRightToLeft("abc שלום")).toBe(false);
});

test("the address leads back to the same state", () => {
  const store = new Store();
  store.set({ view: "beam", step: 3, source: 2, run: "forced", options: { pruned: "all" } }, false);
  const back = stateFromHash(hashOf(store.state));
  expect(back).toEqual({ view: "beam", step: 3, source: 2, run: "forced", options: { pruned: "all" } });
  expect(stateFromHash("#step=-1&step=x&view=topk")).toEqual({ view: "topk", options: {} });
});

test("principal axes find a plane in many dimensions", () => {
  const random = seeded(3);
  const rows = Array.from({ length: 30 }, () => {
    const [a, b] = [10 * (random() - 0.5), 3 * (random() - 0.5)];
    return Array.from({ length: 20 }, (_, at) => a * Number(at === 4) + b * Number(at === 9) + 0.01 * (random() - 0.5));
  });
  const { points, shares } = principal(Matrix.of(rows));
  expect(shares[0] + shares[1]).toBeGreaterThan(0.999);
  const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number => norm(Array.from(a, (value, at) => value - b[at]));
  rows.forEach((row, at) => expect(apart(points[at], points[0])).toBeCloseTo(apart(row, rows[0]), 1));
  expect(principal(Matrix.of([[1, 2, 3]])).points).toEqual([[0, 0]]);
});

test("arithmetic", () => {
  const m = Matrix.of([[1, 0], [0, 2], [3, 0]]);
  expect(cosines(m).at(0, 2)).toBeCloseTo(1);
  expect(cosines(m).at(0, 1)).toBe(0);
  expect([...weighted([0.5, 0.5, 0], m)]).toEqual([0.5, 1]);
  expect(meanOf([Matrix.of([[1]]), Matrix.of([[3]])]).at(0, 0)).toBe(2);
  expect(norm([3, 4])).toBe(5);
  expect([...pooled(Float32Array.of(1, -5, 2, 3), 2)]).toEqual([-5, 3]);
  expect([...m.transposed().row(0)]).toEqual([1, 0, 3]);
  const { mean, low, high } = bootstrapMean([1, 2, 3, 4, 5, 6]);
  expect(mean).toBe(3.5);
  expect(low).toBeLessThan(3.5);
  expect(high).toBeGreaterThan(3.5);
  expect(show(0.00001)).toBe("1.0e-5");
  expect(percent(0.0005)).toBe("<0.1 %");
});

test("differences keep what is common", () => {
  const found = differences(["a", "b", "c"], ["a", "x", "c", "d"]);
  expect(found.before).toEqual(["same", "removed", "same"]);
  expect(found.after).toEqual(["same", "added", "same", "added"]);
});

test("every text is there in both languages, with the same places to fill", () => {
  for (const [key, [english, korean]] of Object.entries(allTexts)) {
    expect(english && korean, key).toBeTruthy();
    const places = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();
    expect(places(korean), key).toEqual(places(english));
  }
});

test("each view says what is seen in two sentences", () => {
  for (const [key, texts] of Object.entries(allTexts).filter(([name]) => name.startsWith("what_"))) {
    for (const text of texts) expect(text.match(/[.](?=\s|$)/g)?.length, `${key}: ${text}`).toBe(2);
  }
});

test("golden traces of every size can be read", async () => {
  const read = await readTrace(goldenTrace({ source: items(5, "s"), target: items(4, "t"), attention: "heads", gates: ["r", "z", "n"], withTarget: true }));
  expect(read.steps.attention).toHaveLength(4);
  expect(read.forced!.steps.tokens).toHaveLength(5);
});
