// Gates: units by time, and how many of them are saturated.
import { figure, h, s } from "../dom";
import { lineChart } from "../chart";
import { choice, diverging, fitted, heatmap, hideTip, measure, placeIn, rampLegend, scrolled, sequential, showTip, stride } from "../draw";
import { t, tMaybe } from "../i18n";
import { labelOf } from "../labels";
import { show, sum } from "../numbers";
import { sourceNow, stepNow, stepsOf, type Mounted, type Page, type View } from "../page";
import { Matrix, type Token } from "../trace";
import { runChoice } from "./matrix";

interface Choice {
  key: string;
  name: string;
  kind: "source" | "target";
  tokens: Token[];
  gates: Record<string, Matrix>;
}

/** Every layer of every side and direction that has gates. */
function choicesOf(page: Page): Choice[] {
  const { encoder, source } = page.trace;
  const steps = stepsOf(page);
  const many = Math.max(encoder.layers.length, steps.layers.length) > 1;
  const layerName = (at: number): string => (many ? `, ${t("layer")} ${at + 1}` : "");
  const found: Choice[] = [];
  steps.layers.forEach((layer, at) => found.push({ key: `d${at}`, name: t("decoder") + layerName(at), kind: "target", tokens: steps.tokens, gates: layer.gates }));
  encoder.layers.forEach((layer, at) => {
    const half = (matrix: Matrix, second: boolean): Matrix => matrix.columns(second ? matrix.cols / 2 : 0, second ? matrix.cols : matrix.cols / 2);
    const part = (second: boolean): Record<string, Matrix> => Object.fromEntries(Object.entries(layer.gates).map(([name, one]) => [name, half(one, second)]));
    const base = { kind: "source" as const, tokens: source.tokens };
    if (encoder.directions === 2) {
      found.push({ ...base, key: `f${at}`, name: `${t("encoder")}, ${t("forward")}${layerName(at)}`, gates: part(false) });
      found.push({ ...base, key: `b${at}`, name: `${t("encoder")}, ${t("backward")}${layerName(at)}`, gates: part(true) });
    } else found.push({ ...base, key: `f${at}`, name: t("encoder") + layerName(at), gates: layer.gates });
  });
  return found.filter((one) => Object.keys(one.gates).length > 0);
}

function orderOf(values: Matrix, order: string): number[] {
  const units = Array.from({ length: values.cols }, (_, at) => at);
  if (order === "index") return units;
  const columns = units.map((at) => values.column(at));
  const means = columns.map((column) => sum(column) / column.length);
  if (order === "mean") return units.sort((a, b) => means[b] - means[a]);
  const changes = columns.map((column, at) => sum(column.map((value) => (value - means[at]) ** 2)));
  return units.sort((a, b) => changes[b] - changes[a]);
}

function mount(box: HTMLElement, page: Page): Mounted {
  const { store, trace } = page;
  const choices = choicesOf(page);
  const side = choices.find((one) => one.key === store.option("side", choices[0].key)) ?? choices[0];
  const names = Object.keys(side.gates);
  const wanted = store.option("gate", names.includes("f") ? "f" : names.includes("z") ? "z" : names[0]);
  const gate = names.includes(wanted) ? wanted : names[0];
  const signed = gate === "g" || gate === "n";
  const sort = store.option("units", "mean");
  const values = side.gates[gate]; // (positions, units)
  const order = orderOf(values, sort);
  const n = values.rows;
  const sorted = new Matrix(values.cols, n, new Float32Array(values.data.length));
  order.forEach((unit, row) => {
    for (let at = 0; at < n; at++) sorted.data[row * n + at] = values.at(at, unit);
  });
  const colour = signed ? diverging(1) : sequential(0, 1);
  const cellHeight = Math.max(1, Math.min(12, Math.floor(480 / values.cols)));
  const cellWidth = Math.max(3, Math.min(70, Math.floor(960 / n)));
  const left = 64;
  const size = cellWidth >= 14 ? 13 : 10;
  const widest = Math.max(...side.tokens.map((one) => measure(labelOf(one.text), size)));
  const upright = widest <= cellWidth - 4;
  const top = upright ? 30 : Math.min(130, widest + 16);
  const area = { x: left, y: top, width: cellWidth * n, height: cellHeight * values.cols };
  const svg = figure(Math.max(left + area.width + 40, 420), top + area.height + 54, t("what_gates"));
  svg.append(heatmap(sorted, colour, area), s("rect", { ...area, class: "box" }));
  svg.append(s("text", { x: left - 8, y: top + 10, "text-anchor": "end", class: "small muted" }, `${values.cols} ${t("units")}`));
  if (sort !== "index") svg.append(s("text", { x: left - 8, y: top + 26, "text-anchor": "end", class: "small muted" }, sort === "mean" ? `${t("mean")} ↓` : "σ ↓"));
  const each = upright ? 1 : stride(cellWidth, size + 1);
  side.tokens.forEach((token, at) => {
    if (at % each) return;
    const x = left + (at + 0.5) * cellWidth;
    const turned = upright ? {} : { transform: `rotate(-90 ${x + 4} ${top - 6})` };
    svg.append(s("text", { x: upright ? x : x + 4, y: top - 6, "text-anchor": upright ? "middle" : "start", "font-size": size, class: `token ${side.kind}`, ...turned }, fitted(token.text, 112, size)));
  });
  svg.append(rampLegend(colour, signed ? [-1, 0, 1] : [0, 0.5, 1], left, top + area.height + 24, tMaybe(`gate_${gate}`, gate)));
  const cross = s("g", { class: "only-screen" });
  const hit = s("rect", { ...area, class: "hit" });
  const hover = (at: number | null): void => store.set(side.kind === "source" ? { hoverSource: at } : { hoverStep: at });
  const cellAt = (event: MouseEvent): [number, number] => {
    const [x, y] = placeIn(svg, event);
    return [Math.max(0, Math.min(n - 1, Math.floor((x - left) / cellWidth))), Math.max(0, Math.min(values.cols - 1, Math.floor((y - top) / cellHeight)))];
  };
  hit.addEventListener("mousemove", (event) => {
    const [at, row] = cellAt(event);
    hover(at);
    showTip(event, [`${at} ${labelOf(side.tokens[at].text)}`, [t("unit"), String(order[row])], ...names.map((name): [string, string] => [name, show(side.gates[name].at(at, order[row]))])]);
  });
  hit.addEventListener("mouseleave", () => {
    hideTip();
    hover(null);
  });
  hit.addEventListener("click", (event) => store.set(side.kind === "source" ? { source: cellAt(event)[0] } : { step: cellAt(event)[0] }));
  svg.append(cross, hit);

  const share = (test: (value: number) => boolean): Float32Array => Float32Array.from({ length: n }, (_, at) => (100 * values.row(at).filter(test).length) / values.cols);
  const low = share((value) => (signed ? value < -0.9 : value < 0.1));
  const high = share((value) => value > 0.9);
  const chart = lineChart(
    `${t("saturation")}, %`,
    [
      { name: t(signed ? "saturated_negative" : "saturated_low"), kind: "bad", values: low },
      { name: t(signed ? "saturated_positive" : "saturated_high"), kind: "good", values: high },
    ],
    { width: Math.max(420, Math.min(1000, left + area.width)), height: 180, low: 0, high: 100 },
    (at) => `${at} ${fitted(side.tokens[at]?.text ?? "", 70, 11)}`,
  );
  box.append(
    h(
      "div",
      { class: "controls" },
      choice(t("side"), side.key, choices.map((one) => [one.key, one.name]), (value) => store.setOption("side", value), "side"),
      choice(t("gate"), gate, names.map((name) => [name, tMaybe(`gate_${name}`, name)]), (value) => store.setOption("gate", value), "gate"),
      choice(t("unit_order"), sort, [["mean", t("order_mean")], ["variance", t("order_variance")], ["index", t("order_index")]], (value) => store.setOption("units", value), "units"),
      trace.forced ? runChoice(page) : null,
    ),
    scrolled(svg),
    h("div", { class: "scroll" }, chart.svg),
  );
  return {
    update() {
      const at = side.kind === "source" ? sourceNow(page) : stepNow(page);
      cross.replaceChildren(...(at === null ? [] : [s("rect", { x: left + at * cellWidth, y: top, width: cellWidth, height: area.height, class: "cross" })]));
      chart.mark(side.kind, at);
    },
    table: () => ({
      columns: [t("item"), "", `${gate}: ${t("mean")}`, `${t(signed ? "saturated_negative" : "saturated_low")} %`, `${t(signed ? "saturated_positive" : "saturated_high")} %`],
      rows: side.tokens.map((token, at) => [at, labelOf(token.text), sum(values.row(at)) / values.cols, low[at], high[at]]),
    }),
    csv: () => ({
      columns: ["item", ...Array.from({ length: values.cols }, (_, unit) => `${gate}${unit}`)],
      rows: side.tokens.map((token, at) => [token.text, ...values.row(at)]),
    }),
  };
}

export const gatesView: View = { id: "gates", missing: (page) => (choicesOf(page).length ? null : "no_gates"), mount };
