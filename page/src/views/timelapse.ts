// Training time-lapse: attention of fixed sentences at each validation.
import { h } from "../dom";
import { lineChart } from "../chart";
import { choice, hideTip, placeIn, rampLegend, scrolled, sequential, showTip } from "../draw";
import { t } from "../i18n";
import { labelOf } from "../labels";
import { show } from "../numbers";
import type { Mounted, Page, View } from "../page";
import type { Sample, Token } from "../trace";
import { drawMatrix, summaryTable } from "./matrix";

function tokensOf(names: string[]): Token[] {
  return names.map((text) => ({ text, id: -1, start: 0, end: 0 }));
}

function mount(box: HTMLElement, page: Page): Mounted {
  const { store } = page;
  const { samples } = page.trace.timelapse!;
  const chosen = Math.min(Number(store.option("sample", "0")) || 0, samples.length - 1);
  const sample: Sample = samples[chosen];
  const frames = sample.frames;
  const source = tokensOf(sample.source);
  const target = tokensOf(sample.target);
  const holder = h("div", { class: "scroll" });
  const caption = h("p", { class: "caption", "aria-live": "polite" });
  let now = Math.min(Number(store.option("frame", String(frames.length - 1))) || 0, frames.length - 1);
  let timer: number | undefined;
  const slider = h("input", { type: "range", id: "frame", min: 0, max: frames.length - 1, value: now, style: "flex:1;min-width:200px", "aria-label": t("training_step"), oninput: () => go(Number(slider.value)) });
  const play = h("button", { id: "play", onclick: toggle }, `▶ ${t("play")}`);
  const known = frames.some((frame) => frame.loss !== null);
  const chart = known ? lineChart(`${t("loss")} / ${t("training_step")}`, [{ name: t("loss"), kind: "target", values: frames.map((frame) => frame.loss ?? NaN) }], { width: 900, height: 170, low: 0 }, (at) => String(frames[at]?.step ?? "")) : null;
  chart?.svg.addEventListener("click", (event) => go(chart.at(placeIn(chart.svg, event)[0])));

  function go(at: number): void {
    now = Math.max(0, Math.min(frames.length - 1, at));
    slider.value = String(now);
    const frame = frames[now];
    caption.textContent = `${t("training_step")} ${frame.step}${frame.loss === null ? "" : ` · ${t("loss")} ${show(frame.loss)}`}`;
    chart?.mark("target", now);
    const weights = frame.weights;
    if (!weights) return holder.replaceChildren(h("p", { class: "note" }, t("no_attention")));
    const colour = sequential(0, 1);
    const order = source.map((_, place) => place);
    const drawn = drawMatrix(weights, colour, target, source, order, t("what_timelapse"), {
      hover(row, col, event) {
        drawn.mark(row, col);
        if (row === null || col === null) return hideTip();
        showTip(event, [`${labelOf(target[row].text)} ← ${labelOf(source[col].text)}`, [t("weight"), show(weights.at(row, col))], [t("training_step"), String(frame.step)]]);
      },
    }, rampLegend(colour, [0, 0.5, 1], 0, 0, t("weight")));
    holder.replaceChildren(drawn.svg);
  }

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
    play.textContent = `▶ ${t("play")}`;
  }

  function toggle(): void {
    if (timer !== undefined) return stop();
    if (now === frames.length - 1) go(0);
    play.textContent = `⏸ ${t("pause")}`;
    timer = window.setInterval(() => (now >= frames.length - 1 ? stop() : go(now + 1)), 350);
  }

  box.append(
    h(
      "div",
      { class: "controls" },
      choice(t("sample"), String(chosen), samples.map((one, at) => [String(at), one.source.map(labelOf).join(" ").slice(0, 60)]), (value) => store.setOption("sample", value), "sample"),
      play,
      slider,
    ),
    caption,
    holder,
    chart ? scrolled(chart.svg) : "",
  );
  go(now);
  return {
    key(key) {
      if (key === "ArrowRight") go(now + 1);
      else if (key === "ArrowLeft") go(now - 1);
      else if (key === "Home") go(0);
      else if (key === "End") go(frames.length - 1);
      else if (key === " ") toggle();
      else return false;
      return true;
    },
    leave: stop,
    table: () => (frames[now].weights ? summaryTable(frames[now].weights!, target, source) : { columns: [], rows: [] }),
    csv: () => ({
      columns: ["training_step", "loss", "output", ...sample.source],
      rows: frames.flatMap((frame) => target.map((token, row) => [frame.step, frame.loss ?? "", token.text, ...(frame.weights?.row(row) ?? [])])),
    }),
  };
}

export const timelapseView: View = { id: "timelapse", missing: (page) => (page.trace.timelapse?.samples.length ? null : "need_timelapse"), mount };
