// The sentences above every view: choosing or hovering an item there moves all views.
import { css, hideTip, inkOn, sequential, showTip } from "./draw";
import { h } from "./dom";
import { t } from "./i18n";
import { isRightToLeft, labelOf } from "./labels";
import { percent, show } from "./numbers";
import { sourceNow, stepNow, stepsOf, weightsOf, type Page } from "./page";
import type { Token } from "./trace";

export interface Strips {
  element: HTMLElement;
  update(): void;
}

function strip(tokens: Token[], kind: string, text: string, label: string): { row: HTMLElement; chips: HTMLElement[] } {
  const chips = tokens.map((token, at) =>
    h("span", { class: `chip ${kind}`, "data-at": at, dir: "auto" }, labelOf(token.text)),
  );
  const row = h("div", { class: tokens.length > 60 ? "strip many" : "strip", role: "group", "aria-label": label, dir: isRightToLeft(text) ? "rtl" : "ltr" }, ...chips);
  return { row, chips };
}

function placeOf(event: Event): number | null {
  const at = (event.target as HTMLElement).dataset?.at;
  return at === undefined ? null : Number(at);
}

export function sentenceStrips(page: Page): Strips {
  const { trace, store } = page;
  const steps = stepsOf(page);
  const weights = weightsOf(steps);
  const source = strip(trace.source.tokens, "source", trace.source.text, t("source"));
  const forced = steps !== trace.steps;
  const output = strip(steps.tokens, "target", forced ? trace.target!.text : trace.output.text, t(forced ? "target" : "output"));
  const rows: Node[] = [h("div", { class: "name" }, t("source")), source.row];
  rows.push(h("div", { class: "name" }, t(forced ? "target" : "output")), output.row);
  const other = forced ? trace.output : trace.target;
  if (other) {
    const name = t(forced ? "output" : "target");
    rows.push(h("div", { class: "name" }, name), strip(other.tokens, "plain", other.text, name).row);
  }

  source.row.addEventListener("mouseover", (event) => {
    const at = placeOf(event);
    store.set({ hoverSource: at });
    if (at === null) return hideTip();
    showTip(event, [labelOf(trace.source.tokens[at].text), [t("item"), String(at)], [t("embedding_norm"), show(trace.encoder.embeddingNorms[at])]]);
  });
  output.row.addEventListener("mouseover", (event) => {
    const at = placeOf(event);
    store.set({ hoverStep: at });
    if (at === null) return hideTip();
    showTip(event, [
      labelOf(steps.tokens[at].text),
      [t("step"), String(at)],
      [t("probability"), percent(Math.exp(steps.logProbs[at]))],
      [t("entropy"), `${show(steps.entropy[at])} ${t("nats")}`],
      [t("rank"), String(steps.ranks[at])],
    ]);
  });
  for (const row of [source.row, output.row]) {
    row.addEventListener("mouseleave", () => {
      hideTip();
      store.set({ hoverStep: null, hoverSource: null });
    });
  }
  source.row.addEventListener("click", (event) => {
    const at = placeOf(event);
    if (at !== null) store.set({ source: store.state.source === at ? null : at });
  });
  output.row.addEventListener("click", (event) => {
    const at = placeOf(event);
    if (at !== null) store.set({ step: at });
  });

  // Without attention there is nothing to shade by.
  function shade(chips: HTMLElement[], values: ArrayLike<number> | null): void {
    const colour = sequential(0, 1);
    chips.forEach((chip, at) => {
      const value = values?.[at] ?? 0;
      chip.style.backgroundColor = value > 0.02 ? css(colour(value)) : "";
      chip.style.color = value > 0.02 ? inkOn(colour(value)) : "";
    });
  }

  /** Scroll a strip, and nothing else, to the chip. */
  function bring(row: HTMLElement, chip: HTMLElement | undefined): void {
    if (!chip || row.scrollHeight <= row.clientHeight) return;
    const top = chip.offsetTop - row.offsetTop;
    if (top < row.scrollTop || top + chip.offsetHeight > row.scrollTop + row.clientHeight) row.scrollTop = top - 4;
  }

  function update(): void {
    const step = stepNow(page);
    const at = sourceNow(page);
    source.chips.forEach((chip, place) => chip.classList.toggle("now", place === at));
    output.chips.forEach((chip, place) => chip.classList.toggle("now", place === step));
    if (store.state.hoverStep === null) bring(output.row, output.chips[step]);
    if (store.state.hoverSource === null && at !== null) bring(source.row, source.chips[at]);
    if (!weights) return;
    shade(source.chips, weights.row(step));
    shade(output.chips, at === null ? null : weights.column(at));
  }
  return { element: h("section", { class: "sentences" }, ...rows), update };
}
