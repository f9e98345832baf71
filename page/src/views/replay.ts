// Replay: the sentence goes through the model, moment by moment.
import { figure, h, s } from "../dom";
import { choice, css, diverging, hideTip, measure, sequential, showTip, tokenText } from "../draw";
import { t } from "../i18n";
import { labelOf } from "../labels";
import { argmax, extent, norm, percent, pooled, show, weighted } from "../numbers";
import { attentionName, lookOf, nameOf, stepsOf, weightsOf, type Look, type Mounted, type Page, type View } from "../page";
import type { Matrix, Steps } from "../trace";

const WIDTH = 1180;
const HEIGHT = 560;
const LEFT = 86; // names of the rows
const RIGHT = 800; // the decoder starts here
const MOST = 34; // source items in sight
const UNITS = 14; // units in a strip
const Y = { context: 62, weights: 170, scores: 262, states: 322, tokens: 498 };
const STATE_HEIGHT = 126;

type Kind = "read" | "bridge" | "query" | "scores" | "weights" | "context" | "state" | "top";
interface Moment {
  kind: Kind;
  /** source item while reading, else decoder step */
  at: number;
}

const STEP_KINDS: Kind[] = ["query", "scores", "weights", "context", "top"];
const PLAIN_KINDS: Kind[] = ["state", "top"];

/** Whether a side has no recurrence: a Transformer's states do not wait for each other. */
function atOnce(page: Page, side: "encoder" | "decoder"): boolean {
  return page.trace.model[side] === "transformer";
}

/** All moments of a run. */
function momentsOf(page: Page, steps: number, attends: boolean): Moment[] {
  const items = page.trace.source.tokens.length;
  const moments: Moment[] = [];
  for (let at = atOnce(page, "encoder") ? items - 1 : 0; at < items; at++) moments.push({ kind: "read", at });
  if (page.trace.bridge.kind !== "none") moments.push({ kind: "bridge", at: 0 });
  const kinds = attends ? STEP_KINDS : PLAIN_KINDS;
  for (let at = 0; at < steps; at++) for (const kind of kinds) moments.push({ kind, at });
  return moments;
}

/** The state that asks: before the step (Bahdanau et al. 2014) or after it (Luong et al. 2015). */
function positionOf(page: Page): "old" | "new" | "first" {
  if (atOnce(page, "decoder")) return "new";
  const position = page.trace.model.attention_position;
  return position === "before" ? "old" : position === "between" ? "first" : "new";
}

/** The hidden state of the last layer, among states of all layers; an LSTM has a cell state behind each. */
function lastHidden(page: Page, states: Float32Array[]): Float32Array | undefined {
  return states[states.length - (page.trace.model.cell === "lstm" && states.length > 1 ? 2 : 1)]; // none in a Transformer
}

class Scene {
  readonly svg: SVGSVGElement;
  private readonly page: Page;
  private readonly steps: Steps;
  private readonly look: Look | null;
  private readonly weights: Matrix | null;
  private readonly stateSize: number;
  private readonly decoderSize: number;
  private readonly contextSize: number;
  /** labels of the source stand upright when one is too wide */
  private turned = false;

  constructor(page: Page) {
    this.page = page;
    this.steps = stepsOf(page);
    this.look = lookOf(page);
    this.weights = this.look?.weights ?? null;
    this.svg = figure(WIDTH, HEIGHT, t("what_replay"));
    const size = (values: ArrayLike<number>): number => Math.max(...extent(values).map(Math.abs)) * 0.9 || 1;
    this.stateSize = size(page.trace.encoder.outputs.data);
    this.decoderSize = size(this.hidden().data);
    this.contextSize = this.stateSize;
  }

  private hidden(): Matrix {
    return this.steps.layers[this.steps.layers.length - 1].hidden;
  }

  /** The source items in sight: all, or those around the one that matters now. */
  private window(moment: Moment): [number, number] {
    const all = this.page.trace.source.tokens.length;
    if (all <= MOST) return [0, all];
    const centre = moment.kind === "read" ? moment.at : this.weights ? argmax(this.weights.row(moment.at)) : 0;
    const start = Math.max(0, Math.min(all - MOST, centre - Math.floor(MOST / 2)));
    return [start, start + MOST];
  }

  draw(moment: Moment): void {
    const [start, end] = this.window(moment);
    const pitch = Math.min(88, (RIGHT - 70 - LEFT) / (end - start));
    const x = (at: number): number => LEFT + (at - start + 0.5) * pitch;
    const after = (kind: Kind): boolean => {
      if (moment.kind === "read" || moment.kind === "bridge") return false;
      return STEP_KINDS.indexOf(moment.kind) >= STEP_KINDS.indexOf(kind);
    };
    this.turned = this.page.trace.source.tokens.slice(start, end).some((token) => measure(labelOf(token.text), 13) > pitch - 2);
    const parts: (Node | null)[] = [this.names(moment)];
    for (let at = start; at < end; at++) parts.push(this.item(at, x(at), pitch, moment));
    if (start > 0) parts.push(s("text", { x: LEFT - 4, y: Y.tokens, "text-anchor": "end", class: "muted" }, "…"));
    if (end < this.page.trace.source.tokens.length) parts.push(s("text", { x: x(end - 1) + pitch / 2 + 4, y: Y.tokens, class: "muted" }, "…"));
    parts.push(this.bridge(moment, x(end - 1) + pitch / 2));
    if (moment.kind !== "read") parts.push(this.decoder(moment), this.soFar(moment));
    if (this.weights && after("query")) parts.push(this.attention(moment, start, end, x, pitch, after));
    if (!this.weights && moment.kind !== "read") parts.push(this.fixedContext(moment, x(end - 1) + pitch / 2));
    if (moment.kind === "top") parts.push(this.distribution(moment));
    this.svg.replaceChildren(...parts.filter((part): part is Node => part !== null));
  }

  /** The items that are out already. */
  private soFar(moment: Moment): SVGGElement {
    const done = moment.kind === "bridge" ? 0 : moment.at + Number(moment.kind === "top");
    const group = s("g", {}, s("text", { x: 430, y: HEIGHT - 8, class: "small muted" }, `${t("output")}:`));
    let x = 430 + measure(`${t("output")}:`, 11) + 12;
    let first = done;
    for (let room = WIDTH - x - 30; first > 0; first--) {
      room -= measure(labelOf(this.steps.tokens[first - 1].text), 13) + 9;
      if (room < 0) break;
    }
    for (let at = first; at < done; at++) {
      group.append(tokenText(this.steps.tokens[at].text, { x, y: HEIGHT - 8, class: at === moment.at ? "target strong" : "target" }));
      x += measure(labelOf(this.steps.tokens[at].text), 13) + 9;
    }
    return group;
  }

  private names(moment: Moment): SVGGElement {
    const name = (y: number, text: string, on = true): SVGTextElement =>
      s("text", { x: 0, y, class: `small muted${on ? "" : " dim"}` }, text);
    const group = s("g", {}, name(Y.tokens, t("source")), name(Y.states + STATE_HEIGHT / 2 - 3, `${t("encoder")}:`), name(Y.states + STATE_HEIGHT / 2 + 12, t("states")));
    if (this.weights) {
      const at = moment.kind === "read" || moment.kind === "bridge" ? -1 : STEP_KINDS.indexOf(moment.kind);
      group.append(name(Y.scores + 18, t("scores"), at >= 1), name(Y.weights + 26, t("weights"), at >= 2), name(Y.context + 14, t("context"), at >= 3));
    }
    if (this.page.trace.encoder.directions === 2) {
      group.append(name(Y.states + 12, `${t("forward")} →`), name(Y.states + STATE_HEIGHT - 4, `← ${t("backward")}`));
    }
    group.append(s("text", { x: 0, y: HEIGHT - 8, class: "small muted" }, t("pooled")));
    const colour = diverging(1);
    ["−", "0", "+"].forEach((sign, at) => {
      const x = 250 + at * 34;
      group.append(s("rect", { x, y: HEIGHT - 18, width: 12, height: 12, style: `fill:${css(colour((at - 1) * 0.7))};stroke:var(--line)` }), s("text", { x: x + 16, y: HEIGHT - 8, class: "small muted" }, sign));
    });
    return group;
  }

  /** A column of cells: the strongest units of a state. */
  private strip(values: Float32Array, x: number, y: number, width: number, height: number, size: number): SVGGElement {
    const colour = diverging(size);
    const cells = pooled(values, UNITS);
    const group = s("g");
    cells.forEach((value, at) =>
      group.append(
        s("rect", { x, y: y + (at * height) / cells.length, width, height: height / cells.length + 0.3, fill: css(colour(value)) }),
      ),
    );
    group.append(s("rect", { x, y, width, height, class: "box" }));
    return group;
  }

  private item(at: number, x: number, pitch: number, moment: Moment): SVGGElement {
    const { trace } = this.page;
    const last = trace.source.tokens.length - 1;
    const reading = moment.kind === "read";
    const two = trace.encoder.directions === 2;
    const reversed = trace.model.reverse_source === true;
    const order = reversed ? last - at : at; // when the forward direction comes by
    const there = [!reading || order <= moment.at, !reading || last - order <= moment.at];
    const now = reading && (order === moment.at || atOnce(this.page, "encoder"));
    const width = Math.min(44, pitch * 0.74);
    const values = trace.encoder.outputs.row(at);
    const group = s("g", {
      class: "pointer",
      onclick: () => this.page.store.set({ source: at }),
      onmouseleave: () => {
        hideTip();
        this.page.store.set({ hoverSource: null });
      },
      onmousemove: (event: MouseEvent) => {
        this.page.store.set({ hoverSource: at });
        showTip(event, [
          `${at} ${labelOf(trace.source.tokens[at].text)}`,
          [t("embedding_norm"), show(trace.encoder.embeddingNorms[at])],
          [`${t("state")}: ${t("norm")}`, show(norm(values))],
        ]);
      },
    });
    if (now) group.append(s("rect", { x: x - pitch / 2, y: Y.states - 6, width: pitch, height: Y.tokens - Y.states + 24, class: "now-band" }));
    const half = (STATE_HEIGHT - 4) / 2;
    const size = this.stateSize;
    if (two) {
      const middle = values.length / 2;
      if (there[0]) group.append(this.strip(values.subarray(0, middle), x - width / 2, Y.states, width, half, size));
      if (there[1]) group.append(this.strip(values.subarray(middle), x - width / 2, Y.states + half + 4, width, half, size));
      if (!there[0]) group.append(s("rect", { x: x - width / 2, y: Y.states, width, height: half, class: "box" }));
      if (!there[1]) group.append(s("rect", { x: x - width / 2, y: Y.states + half + 4, width, height: half, class: "box" }));
    } else if (there[0]) group.append(this.strip(values, x - width / 2, Y.states, width, STATE_HEIGHT, size));
    else group.append(s("rect", { x: x - width / 2, y: Y.states, width, height: STATE_HEIGHT, class: "box" }));
    const arrow = atOnce(this.page, "encoder") ? [] : two ? [1, -1] : [reversed ? -1 : 1];
    arrow.forEach((direction, row) => {
      const y = two ? Y.states + half / 2 + row * (half + 4) : Y.states + STATE_HEIGHT / 2;
      const edge = direction === 1 ? at < last : at > 0;
      if (edge && there[row] && pitch > 12) {
        group.append(s("path", { d: `M${x + (direction * width) / 2} ${y}H${x + direction * (pitch - width / 2)}`, class: "line muted" }));
      }
    });
    const low = this.embeddingBar(at, x, width);
    const kind = there[0] ? "source strong" : "muted";
    const token = trace.source.tokens[at].text;
    const turned = { x: x + 4, y: Y.tokens - 8, "text-anchor": "end", transform: `rotate(-90 ${x + 4} ${Y.tokens - 8})`, class: kind };
    const text = this.turned ? tokenText(token, turned, 48, 11) : tokenText(token, { x, y: Y.tokens, "text-anchor": "middle", class: kind }, pitch - 2);
    group.append(low, text);
    return group;
  }

  private embeddingBar(at: number, x: number, width: number): SVGElement {
    const norms = this.page.trace.encoder.embeddingNorms;
    const height = (16 * norms[at]) / (extent(norms)[1] || 1);
    return s("rect", { x: x - width / 2, y: Y.tokens - 16 - height, width, height, class: "fill-source", opacity: 0.45 });
  }

  private bridge(moment: Moment, edge: number): SVGElement | null {
    const { trace } = this.page;
    if (trace.bridge.kind === "none" || (moment.kind !== "bridge" && !(moment.at === 0 && moment.kind !== "read"))) return null;
    const zero = trace.bridge.kind === "zero";
    const values = lastHidden(this.page, trace.bridge.states);
    const y = Y.states + STATE_HEIGHT / 2;
    const group = s("g", { class: moment.kind === "bridge" ? "" : "dim" });
    if (!zero) group.append(s("path", { d: `M${edge} ${y}H${RIGHT - 42}`, class: "flow", "stroke-width": 4 }), s("path", { d: `M${RIGHT - 44} ${y - 7}l12 7l-12 7z`, class: "fill-target" }));
    if (values) group.append(this.strip(values, RIGHT - 30, Y.states, 26, STATE_HEIGHT, this.decoderSize));
    group.append(s("text", { x: RIGHT - 17, y: Y.states - 8, "text-anchor": "middle", class: "small muted" }, t("initial_state")));
    return group;
  }

  private decoder(moment: Moment): SVGGElement | null {
    if (moment.kind === "bridge") return null;
    const { at } = moment;
    const values = this.hidden().row(at);
    const before = at ? labelOf(this.steps.tokens[at - 1].text) : "<bos>";
    const x = RIGHT + 70;
    const group = s("g", {
      onmousemove: (event: MouseEvent) =>
        showTip(event, [
          `${t("decoder")}, ${t("step")} ${at}`,
          [t("reads"), before],
          [t("embedding_norm"), show(this.steps.embeddingNorms[at])],
          [`${t("state")}: ${t("norm")}`, show(norm(values))],
        ]),
      onmouseleave: hideTip,
    });
    if (at > 0) {
      group.append(
        this.strip(this.hidden().row(at - 1), x - 74, Y.states, 26, STATE_HEIGHT, this.decoderSize),
        s("text", { x: x - 61, y: Y.states - 8, "text-anchor": "middle", class: "small muted" }, `${t("state")} ${at - 1}`),
      );
    }
    // Bahdanau's decoder reads, and makes its new state, when the context is there.
    const later = this.weights !== null && positionOf(this.page) === "old" && moment.kind !== "top";
    const fresh = s("g", { class: later ? "dim" : "" });
    group.append(fresh);
    if (at > 0 || this.page.trace.bridge.kind !== "none") fresh.append(s("path", { d: `M${x - 46} ${Y.states + STATE_HEIGHT / 2}H${x}`, class: "line muted" }));
    fresh.append(
      this.strip(values, x, Y.states, 34, STATE_HEIGHT, this.decoderSize),
      s("text", { x: x + 17, y: Y.states - 8, "text-anchor": "middle", class: "small" }, `${t("state")} ${at}`),
      s("path", { d: `M${x + 17} ${Y.tokens - 20}V${Y.states + STATE_HEIGHT}`, class: "line target" }),
      s("path", { d: `M${x + 12} ${Y.states + STATE_HEIGHT + 8}l5 -8l5 8z`, class: "fill-target" }),
      tokenText(before, { x: x + 17, y: Y.tokens, "text-anchor": "middle", class: "target strong" }, 120),
      s("text", { x: x + 17, y: Y.tokens + 17, "text-anchor": "middle", class: "small muted" }, t("reads")),
    );
    return group;
  }

  private attention(
    moment: Moment,
    start: number,
    end: number,
    x: (at: number) => number,
    pitch: number,
    after: (kind: Kind) => boolean,
  ): SVGGElement {
    const { trace } = this.page;
    const weights = this.weights!.row(moment.at);
    const scores = this.look!.scores;
    const width = Math.min(44, pitch * 0.74);
    const group = s("g");
    const asks = RIGHT + (positionOf(this.page) === "old" ? 9 : 87);
    if (moment.kind === "query" || moment.kind === "scores") {
      const y = Y.states - 30;
      group.append(s("path", { d: `M${asks} ${Y.states - 21}V${y}H${LEFT}`, class: "flow", "stroke-width": 2, "stroke-dasharray": "5 4" }));
      group.append(s("text", { x: RIGHT - 64, y: y - 6, class: "small target" }, t("query")));
      for (let at = start; at < end; at++) group.append(s("path", { d: `M${x(at)} ${y}V${Y.states - 2}`, class: "flow", "stroke-width": 1.5 }));
    }
    if (after("scores") && scores) group.append(this.scoreBars(scores.row(moment.at), start, end, x, width));
    if (after("weights")) {
      for (let at = start; at < end; at++) {
        const height = 56 * weights[at];
        group.append(
          s("rect", { x: x(at) - width / 2, y: Y.weights + 44 - height, width, height, class: "fill-target" }),
          s("path", { d: `M${x(at) - width / 2} ${Y.weights + 44}h${width}`, class: "axis" }),
        );
        if (pitch > 27 && weights[at] >= 0.005) {
          group.append(s("text", { x: x(at), y: Y.weights + 40 - height, "text-anchor": "middle", class: "small" }, weights[at].toFixed(2)));
        }
        group.append(this.hover(at, weights[at], scores?.at(moment.at, at) ?? null, x(at), pitch));
      }
    }
    if (after("context")) {
      const context = weighted(weights, trace.encoder.outputs);
      for (let at = start; at < end; at++) {
        if (weights[at] < 0.01) continue;
        const d = `M${x(at)} ${Y.weights - 22}C${x(at)} ${Y.context + 50} ${LEFT + 180} ${Y.context + 70} ${LEFT + 180} ${Y.context + 26}`;
        group.append(s("path", { d, class: "flow", "stroke-width": 1 + 9 * weights[at], opacity: 0.3 + 0.6 * weights[at] }));
      }
      group.append(this.flat(context, LEFT, Y.context, 360, 22, this.contextSize));
      if (moment.kind === "top") group.append(this.joins());
    }
    return group;
  }

  private hover(at: number, weight: number, score: number | null, x: number, pitch: number): SVGRectElement {
    const token = this.page.trace.source.tokens[at];
    return s("rect", {
      x: x - pitch / 2,
      y: Y.weights - 20,
      width: pitch,
      height: Y.states - Y.weights,
      class: "hit",
      onmousemove: (event: MouseEvent) => {
        this.page.store.set({ hoverSource: at });
        showTip(event, [`${at} ${labelOf(token.text)}`, [t("weight"), weight.toFixed(4)], score !== null && [t("raw_score"), show(score)]]);
      },
      onmouseleave: () => {
        hideTip();
        this.page.store.set({ hoverSource: null });
      },
    });
  }

  /** Scores around their mean: the softmax does not see what they have in common. */
  private scoreBars(scores: Float32Array, start: number, end: number, x: (at: number) => number, width: number): SVGGElement {
    const [low, high] = extent(scores);
    const span = high - low || 1;
    const group = s("g");
    for (let at = start; at < end; at++) {
      const height = 3 + (28 * (scores[at] - low)) / span;
      group.append(s("rect", { x: x(at) - width / 2, y: Y.scores + 26 - height, width, height, class: "fill-source" }));
      if (width > 19) group.append(s("text", { x: x(at), y: Y.scores + 22 - height, "text-anchor": "middle", class: "small" }, scores[at].toFixed(Math.abs(scores[at]) < 10 ? 1 : 0)));
    }
    return group;
  }

  /** A row of cells. */
  private flat(values: Float32Array, x: number, y: number, width: number, height: number, size: number): SVGGElement {
    const colour = diverging(size);
    const cells = pooled(values, 48);
    const group = s("g", {
      onmousemove: (event: MouseEvent) => showTip(event, [t("context"), [t("norm"), show(norm(values))], [t("units"), String(values.length)]]),
      onmouseleave: hideTip,
    });
    cells.forEach((value, at) =>
      group.append(s("rect", { x: x + (at * width) / cells.length, y, width: width / cells.length + 0.3, height, fill: css(colour(value)) })),
    );
    group.append(s("rect", { x, y, width, height, class: "box" }));
    return group;
  }

  /** Context and state meet before the generator. */
  private joins(): SVGGElement {
    const x = RIGHT + 87;
    return s(
      "g",
      {},
      s("path", { d: `M${LEFT + 362} ${Y.context + 11}H${x + 50}`, class: "flow", "stroke-width": 3 }),
      s("path", { d: `M${x + 50} ${Y.context + 5}l10 6l-10 6z`, class: "fill-target" }),
      s("path", { d: `M${x} ${Y.states - 20}V${Y.context + 12}`, class: "flow", "stroke-width": 3 }),
      s("circle", { cx: x, cy: Y.context + 11, r: 9, class: "fill-target" }),
      s("text", { x, y: Y.context + 16, "text-anchor": "middle", style: "fill: var(--paper)" }, "⊕"),
    );
  }

  /** Without attention: one vector, the same at every step. */
  private fixedContext(moment: Moment, edge: number): SVGGElement {
    const { trace } = this.page;
    const values = trace.bridge.context;
    const group = s("g");
    const y = Y.context + 30;
    const every = values !== null;
    const vector = values ?? lastHidden(this.page, trace.encoder.final) ?? trace.bridge.states[0];
    if (!vector) return group;
    group.append(
      s("path", { d: `M${edge - 16} ${Y.states - 6}C${edge - 16} ${y + 100} ${LEFT + 280} ${y + 130} ${LEFT + 280} ${y + 26}`, class: "flow", "stroke-width": 5 }),
      this.flat(vector, LEFT + 100, y, 360, 24, Math.max(...extent(vector).map(Math.abs)) || 1),
      s("text", { x: LEFT + 280, y: y - 10, "text-anchor": "middle", class: "strong" }, t(every ? "one_context" : "final_state")),
    );
    if (every && moment.kind !== "bridge") group.append(s("path", { d: `M${LEFT + 462} ${y + 12}H${RIGHT + 87}V${Y.states - 24}`, class: "flow", "stroke-width": 3 }));
    else group.append(s("path", { d: `M${LEFT + 462} ${y + 12}H${RIGHT - 17}V${Y.states - 24}`, class: `flow ${moment.kind === "bridge" || moment.at === 0 ? "" : "dim"}`, "stroke-width": 3 }));
    if (moment.kind === "top") {
      const x = RIGHT + 87;
      group.append(s("path", { d: `M${x + 20} ${Y.states + 40}C${x + 60} ${Y.states + 40} ${x + 40} 200 ${x + 60} 200`, class: "flow", "stroke-width": 3 }));
    }
    return group;
  }

  private distribution(moment: Moment): SVGGElement {
    const { trace } = this.page;
    const { at } = moment;
    const ids = this.steps.topIds.row(at);
    const logs = this.steps.topLogProbs.row(at);
    const x = RIGHT + 158;
    const group = s("g", {}, s("text", { x, y: 20, class: "small muted" }, t("top")));
    const colour = sequential(0, 1);
    ids.forEach((id, place) => {
      if (place >= 10) return;
      const y = 36 + place * 25;
      const p = Math.exp(logs[place]);
      const taken = this.steps.tokens[at].id === id;
      group.append(
        s("rect", { x: x + 92, y: y - 3, width: 70, height: 17, class: "fill-panel" }),
        s("rect", { x: x + 92, y: y - 3, width: 70 * p, height: 17, fill: taken ? "var(--target)" : css(colour(0.55)) }),
        tokenText(nameOf(trace, id), { x: x + 84, y: y + 10, "text-anchor": "end", class: taken ? "target strong" : "" }, 84),
        s("text", { x: x + 168, y: y + 10, class: "small muted" }, percent(p)),
      );
    });
    return group;
  }
}

/** What happens at a moment, as a sentence. */
function sentenceOf(page: Page, moment: Moment): string {
  const { trace } = page;
  const steps = stepsOf(page);
  const items = trace.source.tokens;
  const { at } = moment;
  if (moment.kind === "read") {
    const place = trace.model.reverse_source === true ? items.length - 1 - at : at;
    const token = labelOf(items[place].text);
    if (atOnce(page, "encoder")) return t("phase_read_all", { all: items.length });
    if (trace.encoder.directions === 2) {
      return t("phase_read_two", { n: at + 1, all: items.length, token, other: labelOf(items[items.length - 1 - place].text) });
    }
    return t("phase_read", { n: at + 1, all: items.length, token });
  }
  if (moment.kind === "bridge") {
    if (trace.bridge.context) return t("phase_bridge_context");
    return trace.bridge.kind === "zero" ? t("phase_bridge_zero") : t("phase_bridge", { kind: trace.bridge.kind });
  }
  const before = at ? labelOf(steps.tokens[at - 1].text) : "<bos>";
  const taken = labelOf(steps.tokens[at].text);
  const p = percent(Math.exp(steps.logProbs[at]));
  const look = lookOf(page);
  if (!look) {
    if (moment.kind === "state") return t(trace.bridge.context ? "phase_state_context" : "phase_state", { t: at, token: before });
    return t("phase_top_plain", { t: at, token: taken, p });
  }
  const { weights } = look;
  const most = argmax(weights.row(at));
  const many = steps.attention.length > 1 ? ` (${look.key === "mean" ? t("all_heads") : attentionName(steps.attention[Number(look.key)])})` : "";
  if (moment.kind === "query") return t(atOnce(page, "decoder") ? "phase_query_all" : `phase_query_${positionOf(page)}`, { t: at, token: before });
  if (moment.kind === "scores") return t("phase_scores", { t: at }) + many;
  if (moment.kind === "weights") return t("phase_weights", { t: at, token: labelOf(items[most].text), weight: percent(weights.at(at, most)) }) + many;
  if (moment.kind === "context") return t(atOnce(page, "decoder") ? "phase_context_heads" : "phase_context", { t: at }) + many;
  const copies = steps.pGen ? ` ${t("phase_copy", { p: percent(steps.pGen[at]) })}` : "";
  return t("phase_top", { t: at, token: taken, p }) + copies;
}

/** Which layer and head; the mean has no scores, since its softmax is of no one. */
function headChoice(page: Page): HTMLElement {
  const heads = stepsOf(page).attention.map((one, at): [string, string] => [String(at), attentionName(one)]);
  return choice(t("which"), lookOf(page)!.key, [["mean", t("all_heads")], ...heads], (value) => page.store.setOption("head", value), "head");
}

function mount(box: HTMLElement, page: Page): Mounted {
  const steps = stepsOf(page);
  const moments = momentsOf(page, steps.tokens.length, weightsOf(steps) !== null);
  const opening = moments.findIndex((moment) => moment.kind !== "read" && moment.kind !== "bridge");
  const perStep = (moments.length - opening) / steps.tokens.length;
  const scene = new Scene(page);
  const caption = h("p", { class: "caption", "aria-live": "polite", dir: "auto" });
  let now = 0;
  let timer: number | undefined;

  const slider = h("input", {
    type: "range",
    id: "moment",
    min: 0,
    max: moments.length - 1,
    style: "flex:1;min-width:200px",
    "aria-label": t("moment"),
    oninput: () => go(Number(slider.value)),
  });
  const play = h("button", { id: "play", onclick: () => toggle() }, `▶ ${t("play")}`);
  const speed = h("input", { type: "range", id: "speed", min: 1, max: 12, value: page.store.option("speed", "3"), style: "width:80px", onchange: () => page.store.setOption("speed", speed.value) });

  function go(place: number): void {
    now = Math.max(0, Math.min(moments.length - 1, place));
    const moment = moments[now];
    const chosen = moment.kind === "read" || moment.kind === "bridge" ? 0 : moment.at;
    if (page.store.state.step !== chosen) {
      following = true;
      page.store.set({ step: chosen });
      following = false;
    }
    show_();
  }
  let following = false;

  function show_(): void {
    slider.value = String(now);
    scene.draw(moments[now]);
    caption.textContent = sentenceOf(page, moments[now]);
  }

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
    play.textContent = `▶ ${t("play")}`;
  }

  function toggle(): void {
    if (timer !== undefined) return stop();
    if (now === moments.length - 1) go(0);
    play.textContent = `⏸ ${t("pause")}`;
    timer = window.setInterval(() => {
      if (now >= moments.length - 1) stop();
      else go(now + 1);
    }, 1800 / Number(speed.value));
  }

  box.append(
    h(
      "div",
      { class: "controls" },
      play,
      h("button", { onclick: () => go(now - 1), "aria-label": t("back") }, "◀"),
      h("button", { onclick: () => go(now + 1), "aria-label": t("next") }, "▶▏"),
      slider,
      h("label", { class: "control" }, h("span", {}, t("speed")), speed),
      steps.attention.length > 1 ? headChoice(page) : null,
    ),
    caption,
    h("div", { class: "scroll" }, scene.svg),
  );

  const momentOf = (step: number): number => opening + step * perStep + perStep - 1; // the last of the step
  now = page.store.state.step > 0 || location.hash.includes("step=") ? momentOf(Math.min(page.store.state.step, steps.tokens.length - 1)) : 0;
  const wanted = page.store.option("moment", "");
  if (/^\d+$/.test(wanted)) now = Math.min(moments.length - 1, Number(wanted));
  const first = moments[now];
  page.store.set({ step: first.kind === "read" || first.kind === "bridge" ? 0 : first.at }, false);
  show_();

  let step = page.store.state.step;
  return {
    update() {
      if (page.store.state.step === step) return;
      step = page.store.state.step;
      if (following) return;
      now = momentOf(Math.min(step, steps.tokens.length - 1));
      show_();
    },
    key(key) {
      if (key === "ArrowRight") go(now + 1);
      else if (key === "ArrowLeft") go(now - 1);
      else if (key === "Home") go(0);
      else if (key === "End") go(moments.length - 1);
      else if (key === " ") toggle();
      else return false;
      return true;
    },
    leave: stop,
    table: () => ({
      columns: ["", t("moment")],
      rows: moments.map((moment, at) => [at, sentenceOf(page, moment)]),
    }),
  };
}

export const replayView: View = { id: "replay", mount };
