// Attention matrix: output items down, source items across.
import { figure, h, s } from "../dom";
import { choice, diverging, fitted, heatmap, hideTip, logarithmic, measure, placeIn, rampLegend, scrolled, sequential, showTip, stride, type Colour } from "../draw";
import { t } from "../i18n";
import { isRightToLeft, labelOf } from "../labels";
import { argmax, extent, show, sum } from "../numbers";
import { attentionName, methodName, sourceNow, stepNow, stepsOf, weightsOf, type Mounted, type Page, type View } from "../page";
import { Matrix, type Token } from "../trace";

interface Choice {
  key: string;
  name: string;
  /** rows are source items too */
  self: boolean;
  /** columns are what each step reads, not source items */
  own: boolean;
  signed: boolean;
  note: string;
  weights: () => Matrix;
  scores: Matrix | null;
}

/** All matrices of a trace: attention, its layers and heads, what is not attention, the encoder's own. */
function choicesOf(page: Page): Choice[] {
  const steps = stepsOf(page);
  const found: Choice[] = [];
  const plain = { self: false, own: false, signed: false, note: "", scores: null };
  if (steps.attention.length > 1) found.push({ ...plain, key: "mean", name: t("all_heads"), weights: () => weightsOf(steps)! });
  steps.attention.forEach((one, at) =>
    found.push({ ...plain, key: String(at), name: attentionName(one), weights: () => one.weights, scores: one.scores }),
  );
  if (steps === page.trace.steps) {
    for (const one of page.trace.attributions) {
      const note = one.rankCorrelation === null ? "" : t("correlation", { r: one.rankCorrelation.toFixed(2) });
      found.push({ ...plain, key: one.method, name: methodName(one.method), signed: true, note, weights: () => one.values });
    }
  }
  steps.selfAttention.forEach((one, at) =>
    found.push({ ...plain, own: true, key: `d${at}`, note: t("note_future"), name: `${t("decoder_self")}, ${attentionName(one)}`, weights: () => one.weights, scores: one.scores }),
  );
  page.trace.encoder.attention.forEach((one, at) =>
    found.push({ ...plain, self: true, key: `e${at}`, name: `${t("encoder_self")}, ${attentionName(one)}`, weights: () => one.weights, scores: one.scores }),
  );
  return found;
}

/** The order in which source items are drawn. */
function orderOf(weights: Matrix, sort: string, rightToLeft: boolean): number[] {
  const order = Array.from({ length: weights.cols }, (_, at) => at);
  const columns = order.map((at) => weights.column(at));
  if (sort === "peak") {
    const peaks = columns.map((column) => sum(column.map((value, row) => value * row)) / (sum(column) || 1));
    order.sort((a, b) => peaks[a] - peaks[b] || a - b);
  } else if (sort === "total") {
    const totals = columns.map((column) => sum(column));
    order.sort((a, b) => totals[b] - totals[a] || a - b);
  } else if (rightToLeft) order.reverse();
  return order;
}

function colourOf(values: Matrix, scores: boolean, signed: boolean, log: boolean): { colour: Colour; marks: number[]; format?: (value: number) => string } {
  if (signed || scores) {
    const [low, high] = extent(values.data);
    if (signed || (low < 0 && high > 0)) {
      const size = Math.max(-low, high) || 1;
      return { colour: diverging(size), marks: [-size, 0, size] };
    }
    return { colour: sequential(low, high), marks: [low, high] };
  }
  if (log) return { colour: logarithmic(), marks: [-4, -2, 0], format: (value) => String(10 ** value) };
  return { colour: sequential(0, 1), marks: [0, 0.5, 1] };
}

/** Cells as large as fit, never too small to point at: [width, height]. */
export function cellSize(cols: number, rows: number): [number, number] {
  const height = Math.max(4, Math.min(28, Math.max(9, Math.floor(1000 / rows)), Math.floor(2400 / rows)));
  const width = Math.max(4, Math.min(64, Math.floor(960 / cols)));
  return [Math.min(width, height * 2.5), height];
}

export interface Drawn {
  svg: SVGSVGElement;
  mark(step: number | null, source: number | null): void;
}

interface Hooks {
  hover?(row: number | null, col: number | null, event: MouseEvent): void;
  click?(row: number, col: number): void;
}

/** A matrix with its labels, a cross on what is looked at, and pointers to rows and columns. */
export function drawMatrix(
  values: Matrix,
  colour: Colour,
  rowTokens: Token[],
  colTokens: Token[],
  order: number[],
  label: string,
  hooks: Hooks,
  legend: SVGGElement,
): Drawn {
  const [cellWidth, cellHeight] = cellSize(values.cols, values.rows);
  const cell = Math.min(cellWidth, cellHeight);
  const size = cell >= 18 ? 13 : cell >= 12 ? 11 : cell >= 9 ? 9 : 8;
  const widest = (tokens: Token[]): number => Math.max(...tokens.map((one) => Math.min(140, measure(labelOf(one.text), size))), 12);
  const upright = order.every((at) => measure(labelOf(colTokens[at].text), size) <= cellWidth - 3);
  const left = widest(rowTokens) + 46;
  const top = (upright ? 22 : widest(colTokens) + 12) + 12;
  const aside = left + cellWidth * values.cols + 190 <= 1240; // the legend: beside, else below
  const width = aside ? Math.min(1240, left + cellWidth * values.cols + 310) : left + cellWidth * values.cols + 40;
  const height = top + cellHeight * values.rows + (aside ? 12 : 50);
  const sorted = new Matrix(values.rows, values.cols, new Float32Array(values.data.length));
  for (let r = 0; r < values.rows; r++) order.forEach((from, to) => (sorted.data[r * values.cols + to] = values.at(r, from)));
  const svg = figure(width, height, label);
  const box = { x: left, y: top, width: cellWidth * values.cols, height: cellHeight * values.rows };
  svg.append(heatmap(sorted, colour, box), s("rect", { ...box, class: "box" }));
  if (cell >= 12) {
    for (let r = 1; r < values.rows; r++) svg.append(s("path", { d: `M${left} ${top + r * cellHeight}h${box.width}`, class: "grid" }));
    for (let c = 1; c < values.cols; c++) svg.append(s("path", { d: `M${left + c * cellWidth} ${top}v${box.height}`, class: "grid" }));
  }
  const each = stride(cellHeight, size + 1);
  const eachColumn = upright ? 1 : stride(cellWidth, size + 1);
  const rowLabels = rowTokens.map((token, at) =>
    s("text", { x: left - 6, y: top + (at + 0.5) * cellHeight + size * 0.36, "text-anchor": "end", "font-size": size, class: "token target" }, at % each ? "" : fitted(token.text, 140, size)),
  );
  const colLabels = order.map((from, at) => {
    const x = left + (at + 0.5) * cellWidth;
    const turned = upright ? {} : { transform: `rotate(-90 ${x + size * 0.36} ${top - 6})` };
    return s(
      "text",
      { x: x + (upright ? 0 : size * 0.36), y: top - 6, "text-anchor": upright ? "middle" : "start", "font-size": size, class: "token source", ...turned },
      at % eachColumn ? "" : fitted(colTokens[from].text, 140, size),
    );
  });
  const cross = s("g", { class: "only-screen" });
  svg.append(...rowLabels, ...colLabels, cross);
  legend.setAttribute("transform", aside ? `translate(${left + box.width + 40} ${top + 12})` : `translate(${left} ${top + box.height + 22})`);
  svg.append(legend);
  const place = new Map(order.map((from, to) => [from, to]));
  const hit = s("rect", { ...box, class: "hit" });
  const cellAt = (event: MouseEvent): [number, number] => {
    const [x, y] = placeIn(svg, event);
    const row = Math.max(0, Math.min(values.rows - 1, Math.floor((y - top) / cellHeight)));
    const col = Math.max(0, Math.min(values.cols - 1, Math.floor((x - left) / cellWidth)));
    return [row, order[col]];
  };
  hit.addEventListener("mousemove", (event) => hooks.hover?.(...cellAt(event), event));
  hit.addEventListener("mouseleave", (event) => hooks.hover?.(null, null, event));
  hit.addEventListener("click", (event) => hooks.click?.(...cellAt(event)));
  svg.append(hit);
  return {
    svg,
    mark(step, source) {
      cross.replaceChildren();
      rowLabels.forEach((one, at) => one.classList.toggle("strong", at === step));
      colLabels.forEach((one, at) => one.classList.toggle("strong", order[at] === source));
      if (step !== null && step < values.rows) cross.append(s("rect", { x: left, y: top + step * cellHeight, width: box.width, height: cellHeight, class: "cross" }));
      const col = source === null ? undefined : place.get(source);
      if (col !== undefined) cross.append(s("rect", { x: left + col * cellWidth, y: top, width: cellWidth, height: box.height, class: "cross" }));
    },
  };
}

/** Row tokens with their most looked-at source items: what a screen reader can use. */
export function summaryTable(weights: Matrix, rows: Token[], cols: Token[]): { columns: string[]; rows: (string | number)[][] } {
  return {
    columns: [t("step"), t("output"), t("source"), t("weight"), `${t("source")} 2`, `${t("weight")} 2`],
    rows: rows.map((token, at) => {
      const row = [...weights.row(at)];
      const best = argmax(row);
      const second = argmax(row.map((value, place) => (place === best ? -Infinity : value)));
      const pair = (place: number): (string | number)[] => [`${place} ${labelOf(cols[place]?.text ?? "")}`, row[place]];
      return [at, labelOf(token.text), ...pair(best), ...(row.length > 1 ? pair(second) : ["", ""])];
    }),
  };
}

/** What each step of a decoder reads: the item before. */
function readBy(tokens: Token[]): Token[] {
  return [{ text: "<bos>", id: 2, start: 0, end: 0 }, ...tokens.slice(0, -1)];
}

function mount(box: HTMLElement, page: Page): Mounted {
  const { store, trace } = page;
  const choices = choicesOf(page);
  const one = choices.find((each) => each.key === store.option("which", choices[0].key)) ?? choices[0];
  const scores = store.option("values", "weights") === "scores" && one.scores !== null;
  const log = store.option("colour", "linear") === "log" && !scores && !one.signed;
  const sort = store.option("sort", "none");
  const weights = one.weights();
  const values = scores ? one.scores! : weights;
  const rows = one.self ? trace.source.tokens : stepsOf(page).tokens;
  const cols = one.own ? readBy(rows) : trace.source.tokens;
  const read = one.own ? trace.output.text : trace.source.text;
  const order = orderOf(one.signed ? new Matrix(weights.rows, weights.cols, weights.data.map(Math.abs)) : weights, sort, isRightToLeft(read));
  const controls = h("div", { class: "controls" });
  if (choices.length > 1) controls.append(choice(t("which"), one.key, choices.map((each) => [each.key, each.name]), (value) => store.setOption("which", value), "which"));
  if (one.scores) controls.append(choice(t("values"), scores ? "scores" : "weights", [["weights", t("values_weights")], ["scores", t("values_scores")]], (value) => store.setOption("values", value), "values"));
  if (!scores && !one.signed) controls.append(choice(t("colour"), log ? "log" : "linear", [["linear", t("colour_linear")], ["log", t("colour_log")]], (value) => store.setOption("colour", value), "colour"));
  controls.append(choice(t("sort"), sort, [["none", t("sort_none")], ["peak", t("sort_peak")], ["total", t("sort_total")]], (value) => store.setOption("sort", value), "sort"));
  if (trace.forced) controls.append(runChoice(page));
  if (one.note) controls.append(h("span", { class: "note" }, one.note));
  const { colour, marks, format } = colourOf(values, scores, one.signed, log);
  const legendColour = log ? sequential(-4, 0) : colour;
  const legend = rampLegend(legendColour, marks, 0, 0, one.signed ? one.name : t(scores ? "raw_score" : "weight"), format);
  const drawn = drawMatrix(values, colour, rows, cols, order, t("what_matrix"), {
    hover(row, col, event) {
      store.set({ hoverStep: one.self ? null : row, hoverSource: one.own ? null : col });
      if (row === null || col === null) return hideTip();
      showTip(event, [
        `${labelOf(rows[row].text)} ← ${labelOf(cols[col].text)}`,
        [t(one.self ? "item" : "step"), String(row)],
        [one.own ? t("reads") : `${t("source")}: ${t("item")}`, String(col)],
        [one.signed ? one.name : t("weight"), show(weights.at(row, col), 4)],
        one.scores !== null && [t("raw_score"), show(one.scores.at(row, col))],
      ]);
    },
    click: (row, col) => store.set(one.self ? { source: col } : one.own ? { step: row } : { step: row, source: col }),
  }, legend);
  box.append(controls, scrolled(drawn.svg));
  return {
    update: () => drawn.mark(one.self ? null : stepNow(page), one.own ? null : sourceNow(page)),
    table: () => summaryTable(weights, rows, cols),
    csv: () => ({
      columns: ["", ...cols.map((token) => token.text)],
      rows: rows.map((token, at) => [token.text, ...values.row(at)]),
    }),
  };
}

/** Free running or teacher forcing, for the views that can show either. */
export function runChoice(page: Page): HTMLLabelElement {
  return choice(
    t("run"),
    page.store.state.run,
    [["free", t("run_free")], ["forced", t("run_forced")]],
    (value) => page.store.set({ run: value === "forced" ? "forced" : "free" }),
    "run",
  );
}

export const matrixView: View = {
  id: "matrix",
  missing: (page) => (choicesOf(page).length ? null : "no_attention"),
  mount,
};
