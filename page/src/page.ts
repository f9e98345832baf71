// What every view is given, and what it gives.
import { meanOf } from "./numbers";
import { t, tMaybe, type TextKey } from "./i18n";
import { labelOf } from "./labels";
import type { Store } from "./state";
import type { Attention, Matrix, Steps, Token, Trace } from "./trace";
import type { Server } from "./server";

export interface Page {
  trace: Trace;
  store: Store;
  server: Server | null;
  /** Show another trace in all views. */
  open(trace: Trace): void;
  /** Draw the current view again. */
  redraw(): void;
}

export interface Table {
  columns: string[];
  rows: (string | number)[][];
}

/** A view on screen. */
export interface Mounted {
  /** Shared state changed: mark what is chosen or hovered. */
  update?(): void;
  /** What the figure says, for those who do not see it. */
  table(): Table;
  /** All numbers, when the table is a summary. */
  csv?(): Table;
  /** Arrow keys and space, when the view uses them itself; true when it did. */
  key?(key: string): boolean;
  leave?(): void;
}

export interface View {
  id: string;
  /** Why the view has nothing to show, if so. */
  missing?(page: Page): TextKey | null;
  mount(box: HTMLElement, page: Page): Mounted;
}

/** The run that is looked at. */
export function stepsOf(page: Page): Steps {
  return page.store.state.run === "forced" && page.trace.forced ? page.trace.forced.steps : page.trace.steps;
}

/** The step that is looked at: under the pointer, or chosen. */
export function stepNow(page: Page): number {
  const most = stepsOf(page).tokens.length - 1;
  return Math.max(0, Math.min(page.store.state.hoverStep ?? page.store.state.step, most));
}

export function sourceNow(page: Page): number | null {
  const at = page.store.state.hoverSource ?? page.store.state.source;
  return at === null || at >= page.trace.source.tokens.length ? null : at;
}

/** The attention of a run, over all layers and heads where there are several. */
export function weightsOf(steps: Steps): Matrix | null {
  const all = steps.attention;
  if (!all.length) return null;
  if (!means.has(steps)) means.set(steps, all.length === 1 ? all[0].weights : meanOf(all.map((one) => one.weights)));
  return means.get(steps)!;
}
const means = new WeakMap<Steps, Matrix>();

export interface Look {
  /** "mean", or the place of a matrix among the attention of a run */
  key: string;
  weights: Matrix;
  scores: Matrix | null;
}

/** The attention that is looked at: the mean, or one layer and head, as chosen. */
export function lookOf(page: Page): Look | null {
  const steps = stepsOf(page);
  const weights = weightsOf(steps);
  if (!weights) return null;
  const one = steps.attention[steps.attention.length === 1 ? 0 : Number(page.store.option("head", "mean"))];
  return one ? { key: String(steps.attention.indexOf(one)), weights: one.weights, scores: one.scores } : { key: "mean", weights, scores: null };
}

export function attentionName(one: Attention): string {
  return one.layer === null ? t("attention") : `${t("layer")} ${one.layer + 1}, ${t("head")} ${(one.head ?? 0) + 1}`;
}

/** Name of a target id. */
export function nameOf(trace: Trace, id: number): string {
  return trace.names[String(id)] ?? `#${id}`;
}

export function placeName(at: number, token: Token): string {
  return `${at} ${labelOf(token.text)}`;
}

export function methodName(method: string): string {
  return tMaybe(`method_${method}`, method);
}

export function stepLabel(at: number): string {
  return `${t("step")} ${at}`;
}
