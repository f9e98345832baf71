// Teacher forcing against free running, step by step.
import { figure, h, s } from "../dom";
import { fitted, hideTip, scrolled, showTip, tokenText } from "../draw";
import { t } from "../i18n";
import { labelOf } from "../labels";
import { percent, show, sum } from "../numbers";
import { nameOf, stepNow, type Mounted, type Page, type View } from "../page";
import type { Steps } from "../trace";

const ROW = 27;
const TOP = 66;
const HALF = 540;
const BAR = 210;

function lossOf(steps: Steps): number[] {
  return Array.from(steps.logProbs, (value) => -value);
}

function mount(box: HTMLElement, page: Page): Mounted {
  const { trace, store } = page;
  const forced = trace.forced!;
  const runs = [forced.steps, trace.steps];
  const losses = runs.map(lossOf);
  const most = Math.max(...losses[0], ...losses[1], 0.5);
  const count = Math.max(runs[0].tokens.length, runs[1].tokens.length);
  const width = 60 + 2 * HALF;
  const svg = figure(width, TOP + count * ROW + 16, t("what_forcing"));
  const split = forced.firstDivergence;
  const band = s("rect", { x: 0, width, height: ROW, class: "now-band" });
  svg.append(band);
  runs.forEach((steps, side) => {
    const x = 60 + side * HALF;
    const kind = side ? "target" : "source";
    const total = sum(losses[side]);
    svg.append(
      s("text", { x, y: 16, class: `strong ${kind}` }, t(side ? "free_column" : "forced_column")),
      s("text", { x, y: 34, class: "small muted" }, t("total_loss", { total: show(total), mean: show(total / steps.tokens.length) })),
      s("text", { x: x + 128, y: TOP - 8, class: "small muted" }, t("loss")),
      s("text", { x: x + 394, y: TOP - 8, class: "small muted" }, t("would_say")),
    );
    steps.tokens.forEach((token, at) => {
      const y = TOP + at * ROW;
      const loss = losses[side][at];
      const other = runs[1 - side].tokens[at];
      const differs = !other || other.id !== token.id;
      const best = steps.topIds.at(at, 0);
      const wrong = best !== token.id;
      svg.append(
        s("rect", { x: x - 4, y: y + 3, width: 120, height: ROW - 6, rx: 5, class: differs ? `fill-soft-${kind}` : "fill-panel" }),
        tokenText(token.text, { x: x + 4, y: y + 18, class: differs ? `strong ${kind}` : "" }, 104),
        s("rect", { x: x + 128, y: y + 7, width: Math.max(1, (BAR * loss) / most), height: ROW - 14, class: `fill-${kind}` }),
        s("text", { x: x + 134 + (BAR * loss) / most, y: y + 18, class: "small" }, show(loss)),
        s("text", { x: x + 394, y: y + 18, class: wrong ? "token bad strong" : "token muted" }, `${wrong ? "≠ " : "✓ "}${fitted(nameOf(trace, best), 70, 13)}`),
        s("text", { x: x + 492, y: y + 18, "text-anchor": "end", class: "small muted" }, percent(Math.exp(steps.topLogProbs.at(at, 0)))),
      );
    });
  });
  for (let at = 0; at < count; at++) svg.append(s("text", { x: 44, y: TOP + at * ROW + 18, "text-anchor": "end", class: "small muted" }, String(at)));
  if (split !== null) {
    const y = TOP + split * ROW;
    svg.append(s("path", { d: `M0 ${y}H${width}`, class: "line bad", "stroke-dasharray": "6 4" }), s("text", { x: 4, y: y + 5, class: "bad" }, "▼"));
  }
  const hit = s("rect", { x: 0, y: TOP, width, height: count * ROW, class: "hit" });
  const stepAt = (event: MouseEvent): number => Math.max(0, Math.min(count - 1, Math.floor(event.offsetY / (svg.getBoundingClientRect().height / (TOP + count * ROW + 16)) / ROW - TOP / ROW)));
  hit.addEventListener("mousemove", (event) => {
    const at = stepAt(event);
    store.set({ hoverStep: at });
    showTip(event, [
      `${t("step")} ${at}`,
      ...runs.map((steps, side): [string, string] => [t(side ? "run_free" : "run_forced"), steps.tokens[at] ? `${labelOf(steps.tokens[at].text)} ${percent(Math.exp(steps.logProbs[at]))}` : "–"]),
    ]);
  });
  hit.addEventListener("mouseleave", () => {
    hideTip();
    store.set({ hoverStep: null });
  });
  hit.addEventListener("click", (event) => store.set({ step: Math.min(stepAt(event), trace.steps.tokens.length - 1) }));
  svg.append(hit);
  box.append(h("p", { class: "note" }, split === null ? t("no_divergence") : `${t("divergence")}: ${t("step")} ${split}`), scrolled(svg));
  const row = (steps: Steps, side: number, at: number): (string | number)[] =>
    steps.tokens[at] ? [labelOf(steps.tokens[at].text), losses[side][at], labelOf(nameOf(trace, steps.topIds.at(at, 0)))] : ["", "", ""];
  return {
    update: () => band.setAttribute("y", String(TOP + stepNow(page) * ROW)),
    table: () => ({
      columns: [t("step"), t("target"), t("loss"), t("would_say"), t("output"), t("loss"), t("would_say")],
      rows: Array.from({ length: count }, (_, at) => [at, ...row(runs[0], 0, at), ...row(runs[1], 1, at)]),
    }),
  };
}

export const forcingView: View = { id: "forcing", missing: (page) => (page.trace.forced ? null : "need_target"), mount };
