// Alignment ribbons, with the coverage of each source item.
import { figure, h, s } from "../dom";
import { css, fitted, hideTip, measure, scrolled, sequential, showTip } from "../draw";
import { t } from "../i18n";
import { isRightToLeft, labelOf } from "../labels";
import { argmax, extent, percent, show } from "../numbers";
import { sourceNow, stepNow, stepsOf, weightsOf, type Mounted, type Page, type View } from "../page";
import type { Matrix, Token } from "../trace";
import { runChoice } from "./matrix";

const BAR = 74; // height of a bar of two
const GAP = 200; // between the sentences
const LOW = 0.2;
const HIGH = 1.8;

/** Weight that each source item got over all steps. */
export function coverageOf(weights: Matrix): Float32Array {
  const out = new Float32Array(weights.cols);
  for (let row = 0; row < weights.rows; row++) weights.row(row).forEach((value, at) => (out[at] += value));
  return out;
}

interface Spot {
  x: number;
  width: number;
}

/** Items side by side, each as wide as its label, spread over at least `least` pixels. */
function spots(tokens: Token[], rightToLeft: boolean, least: number): { spots: Spot[]; width: number } {
  const widths = tokens.map((token) => Math.max(22, Math.min(150, measure(labelOf(token.text), 14) + 12)));
  const own = widths.reduce((total, one) => total + one, 0);
  const gap = Math.max(4, Math.min(72, (least - own) / Math.max(1, tokens.length - 1)));
  const total = own + gap * (tokens.length - 1);
  let x = Math.max(0, (least - total) / 2);
  const found = widths.map((width) => {
    const spot = { x, width };
    x += width + gap;
    return spot;
  });
  const width = Math.max(least, total);
  return { spots: rightToLeft ? found.map((one) => ({ ...one, x: width - one.x - one.width })) : found, width };
}

function mount(box: HTMLElement, page: Page): Mounted {
  const { trace, store } = page;
  const steps = stepsOf(page);
  const weights = weightsOf(steps)!;
  const threshold = Number(store.option("threshold", "0.15"));
  const sourceTokens = trace.source.tokens;
  const coverage = coverageOf(weights);
  const outputText = steps === trace.steps ? trace.output.text : (trace.target?.text ?? "");
  let above = spots(sourceTokens, isRightToLeft(trace.source.text), 1100);
  let below = spots(steps.tokens, isRightToLeft(outputText), 1100);
  const width = Math.max(above.width, below.width);
  above = spots(sourceTokens, isRightToLeft(trace.source.text), width);
  below = spots(steps.tokens, isRightToLeft(outputText), width);
  const left = 96;
  const top = BAR + 26;
  const base = top + 34 + GAP;
  const svg = figure(left + width + 20, base + 40, t("what_ribbons"));
  const barY = (value: number): number => top - 6 - (BAR * Math.min(value, 2)) / 2;

  svg.append(
    s("text", { x: 0, y: barY(1) + 4, class: "small muted" }, t("coverage")),
    s("text", { x: left - 8, y: barY(1) + 4, "text-anchor": "end", class: "small muted" }, "1"),
    s("text", { x: left - 8, y: barY(2) + 4, "text-anchor": "end", class: "small muted" }, "2"),
    s("text", { x: left - 8, y: barY(0) + 2, "text-anchor": "end", class: "small muted" }, "0"),
    s("text", { x: 0, y: top + 19, class: "small muted" }, t("source")),
    s("text", { x: 0, y: base + 19, class: "small muted" }, t(steps === trace.steps ? "output" : "target")),
  );
  for (const at of [1, 2]) svg.append(s("path", { d: `M${left} ${barY(at)}h${width}`, class: "grid", "stroke-dasharray": "3 3" }));
  const ribbons: { element: SVGPathElement; step: number; source: number }[] = [];
  // A ribbon starts in the middle of its item's edge; several share the edge side by side.
  for (let row = 0; row < weights.rows; row++) {
    for (let col = 0; col < weights.cols; col++) {
      const weight = weights.at(row, col);
      if (weight < threshold) continue;
      const a = left + above.spots[col].x + above.spots[col].width / 2;
      const b = left + below.spots[row].x + below.spots[row].width / 2;
      const y0 = top + 30;
      const y1 = base - 2;
      const middle = (y0 + y1) / 2;
      const element = s("path", {
        d: `M${a} ${y0}C${a} ${middle} ${b} ${middle} ${b} ${y1}`,
        class: "ribbon pointer",
        "stroke-width": Math.max(1, weight * 12),
        onmousemove: (event: MouseEvent) => {
          store.set({ hoverStep: row, hoverSource: col });
          showTip(event, [`${labelOf(steps.tokens[row].text)} ← ${labelOf(sourceTokens[col].text)}`, [t("weight"), show(weight)]]);
        },
        onmouseleave: leave,
        onclick: () => store.set({ step: row, source: col }),
      });
      ribbons.push({ element, step: row, source: col });
      svg.append(element);
    }
  }
  function leave(): void {
    hideTip();
    store.set({ hoverStep: null, hoverSource: null });
  }

  const sourceItems = sourceTokens.map((token, at) => {
    const spot = above.spots[at];
    const value = coverage[at];
    const kind = value < LOW ? "bad" : value > HIGH ? "target" : "source";
    const bar = Math.min(28, spot.width - 4);
    const group = s(
      "g",
      {
        class: "pointer",
        onmousemove: (event: MouseEvent) => {
          store.set({ hoverSource: at });
          const best = argmax(weights.column(at));
          showTip(event, [
            labelOf(token.text),
            [t("coverage"), show(value)],
            kind !== "source" && [t(kind === "bad" ? "dropped" : "repeated"), kind === "bad" ? "▽" : "△"],
            [labelOf(steps.tokens[best].text), percent(weights.at(best, at))],
          ]);
        },
        onmouseleave: leave,
        onclick: () => store.set({ source: at }),
      },
      s("rect", { x: left + spot.x + (spot.width - bar) / 2, y: barY(value), width: bar, height: Math.max(1, top - 6 - barY(value)), class: `fill-${kind}` }),
      s("rect", { x: left + spot.x, y: top, width: spot.width, height: 28, rx: 5, class: "fill-soft-source" }),
      s("text", { x: left + spot.x + spot.width / 2, y: top + 19, "text-anchor": "middle", class: "token source" }, fitted(token.text, 140, 14)),
    );
    // The sign says the same as the colour.
    if (kind !== "source") {
      const y = Math.max(9, barY(value) - 3);
      group.append(s("text", { x: left + spot.x + spot.width / 2, y, "text-anchor": "middle", class: `small ${kind}` }, kind === "bad" ? "▽" : "△"));
    }
    svg.append(group);
    return group;
  });
  const outputItems = steps.tokens.map((token, at) => {
    const spot = below.spots[at];
    const group = s(
      "g",
      {
        class: "pointer",
        onmousemove: (event: MouseEvent) => {
          store.set({ hoverStep: at });
          const best = argmax(weights.row(at));
          showTip(event, [labelOf(token.text), [labelOf(sourceTokens[best].text), percent(weights.at(at, best))]]);
        },
        onmouseleave: leave,
        onclick: () => store.set({ step: at }),
      },
      s("rect", { x: left + spot.x, y: base, width: spot.width, height: 28, rx: 5, class: "fill-soft-target" }),
      s("text", { x: left + spot.x + spot.width / 2, y: base + 19, "text-anchor": "middle", class: "token target" }, fitted(token.text, 140, 14)),
    );
    svg.append(group);
    return group;
  });

  const shown = h("span", {}, threshold.toFixed(2));
  const slider = h("input", {
    type: "range",
    id: "threshold",
    min: 0.01,
    max: 0.9,
    step: 0.01,
    value: threshold,
    oninput: () => (shown.textContent = Number(slider.value).toFixed(2)),
    onchange: () => store.setOption("threshold", slider.value),
  });
  const few = coverage.filter((value) => value < LOW).length;
  const many = coverage.filter((value) => value > HIGH).length;
  box.append(
    h(
      "div",
      { class: "controls" },
      h("label", { class: "control" }, h("span", {}, t("threshold")), slider, shown),
      trace.forced ? runChoice(page) : null,
      h("span", { class: "note" }, `▽ ${t("dropped_count", { n: few })} · △ ${t("repeated_count", { n: many })}`),
    ),
    ribbons.length ? "" : h("p", { class: "note" }, t("no_links", { most: show(extent(weights.data)[1]) })),
    scrolled(svg),
  );
  return {
    update() {
      const { state } = store;
      const hovering = state.hoverSource !== null || state.hoverStep !== null;
      const step = state.hoverStep ?? (hovering ? null : stepNow(page));
      const source = state.hoverSource ?? (hovering ? null : sourceNow(page));
      for (const ribbon of ribbons) {
        const hot = hovering && step !== null && source !== null ? ribbon.step === step && ribbon.source === source : ribbon.step === step || ribbon.source === source;
        ribbon.element.classList.toggle("hot", hot);
        ribbon.element.classList.toggle("cold", hovering && !hot);
      }
      const colour = css(sequential(0, 1)(0.25));
      sourceItems.forEach((one, at) => (one.children[1] as SVGElement).setAttribute("style", at === sourceNow(page) ? `stroke:var(--ink);stroke-width:2;fill:${colour}` : ""));
      outputItems.forEach((one, at) => (one.children[0] as SVGElement).setAttribute("style", at === stepNow(page) ? "stroke:var(--ink);stroke-width:2" : ""));
    },
    table: () => ({
      columns: [t("item"), t("source"), t("coverage"), "", t("output")],
      rows: sourceTokens.map((token, at) => [
        at,
        labelOf(token.text),
        coverage[at],
        coverage[at] < LOW ? t("dropped") : coverage[at] > HIGH ? t("repeated") : "",
        ribbons.filter((one) => one.source === at).map((one) => labelOf(steps.tokens[one.step].text)).join(" "),
      ]),
    }),
    csv: () => ({
      columns: ["step", "output", "item", "source", "weight"],
      rows: ribbons.map((one) => [one.step, steps.tokens[one.step].text, one.source, sourceTokens[one.source].text, weights.at(one.step, one.source)]),
    }),
  };
}

export const ribbonsView: View = {
  id: "ribbons",
  missing: (page) => (weightsOf(stepsOf(page)) ? null : "no_attention"),
  mount,
};
