// The built page in Chromium, on golden traces: every view renders, the views are linked, nothing leaves the page.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { goldenTrace, items } from "./golden";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const VIEWS = ["replay", "matrix", "ribbons", "topk", "beam", "states", "gates", "whatif", "forcing", "timelapse", "corpus"];
const HOSTILE = ["a\u0000b", "\u0301\u0323", "x".repeat(300), "__proto__", "{{x}}", '<img src=x onerror="document.title=\'owned\'">', "<script>document.title='owned'</script>", "</script><svg onload=alert(1)>", "<!--", "&lt;b&gt;", "\u202egnp.exe", "=1+2"];
const built = readFileSync(fileURLToPath(new URL("../../src/seqweave/inspection/page/index.html", import.meta.url)), "utf8");

/* eslint-disable @typescript-eslint/no-explicit-any */
let browser: Browser;
let folder: string;

beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  folder = mkdtempSync(join(tmpdir(), "seqweave-page-"));
});

afterAll(async () => {
  await browser?.close();
  if (folder) rmSync(folder, { recursive: true });
});

function golden(name: string): any {
  return JSON.parse(readFileSync(new URL(`traces/${name}.json`, import.meta.url), "utf8"));
}

/** The page with a trace in it, as src/seqweave/inspection/trace_page.py writes it. */
function filled(trace: any, mark = ""): string {
  const content = JSON.stringify(trace).replaceAll("<", "\\u003c");
  return built.replace(/(<script type="application\/json" id="trace")>[^<]*(<\/script>)/, (_whole, start, end) => `${start}${mark}>${content}${end}`);
}

let count = 0;
function write(trace: any): string {
  const path = join(folder, `${count++}.html`);
  writeFileSync(path, filled(trace));
  return `file://${path}`;
}

interface Opened {
  page: Page;
  requests: string[];
  problems: string[];
  /** requests that were stopped before they left, with the reason */
  stopped: Map<string, string>;
  close(): Promise<void>;
}

async function open(address: string, hash = "", options: Parameters<Browser["newContext"]>[0] = {}): Promise<Opened> {
  const context: BrowserContext = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-US", ...options });
  const page = await context.newPage();
  const requests: string[] = [];
  const problems: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  const stopped = new Map<string, string>();
  page.on("requestfailed", (request) => stopped.set(request.url(), request.failure()?.errorText ?? ""));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error.stack)));
  await page.goto(`${address}${hash}`);
  await page.waitForSelector("#view, .open");
  return { page, requests, problems, stopped, close: () => context.close() };
}

/** What a file brings: itself, and pictures that it made of its own numbers. */
function fromOutside(requests: string[]): string[] {
  return requests.filter((one) => !one.startsWith("file:") && !one.startsWith("data:") && !one.startsWith("blob:"));
}

function withMore(trace: any): any {
  const weights = [[0.9, 0.1], [0.2, 0.8]];
  const frames = [0, 1, 2].map((at) => ({ step: 100 * (at + 1), weights: weights.map((row) => row.map((value) => (value * at) / 2 + (0.5 * (2 - at)) / 2)), loss: 3 - at }));
  const rows = Array.from({ length: 130 }, (_, at) => ({
    source: "가나다라마바사"[at % 7].repeat(1 + (at % 9)), reference: `r${at}`, output: `o${at}`, score: -at / 10, exact: at % 3 === 0, error_rate: at % 50, length_ratio: 1, entropy: 0.1, coverage_gaps: 0, repetition: 0,
  }));
  return { ...trace, timelapse: { samples: [{ source: ["a", "b"], target: ["c", "<eos>"], frames }] }, corpus: { rows } };
}

const TRACES: [string, () => any][] = [
  ["rnn without attention", () => withMore(golden("rnn-no-attention"))],
  ["lstm, additive", () => withMore(golden("lstm-additive"))],
  ["lstm, Korean jamo", () => withMore(golden("kor-jamo"))],
  ["gru, dot", () => withMore(golden("gru-dot"))],
  ["lstm, copying", () => withMore(golden("copying"))],
  ["transformer", () => withMore(golden("transformer"))],
  ["layers and heads", () => withMore(goldenTrace({ source: items(9, "s"), target: items(7, "t"), attention: "heads", withTarget: true }))],
];

/** Another address in the same page; views differ in theme or language too, so everything is drawn again. */
async function goTo(page: Page, hash: string): Promise<void> {
  await page.evaluate((next) => {
    location.hash = next;
  }, hash);
  const view = new URLSearchParams(hash.slice(1)).get("view");
  await page.waitForSelector(`#tab-${view}[aria-selected=true]`);
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
}

test.each(TRACES)("%s: every view renders in both languages and themes, without errors or requests", async (_name, make) => {
  const { page, requests, problems, close } = await open(write(make()));
  for (const [lang, theme] of [["en", "light"], ["ko", "dark"]]) {
    for (const view of VIEWS) {
      await goTo(page, `#view=${view}&step=1&lang=${lang}&theme=${theme}`);
      const seen = await page.evaluate(() => {
        const details = document.querySelector<HTMLDetailsElement>("details.table");
        if (details) details.open = true;
        return {
          lang: document.documentElement.lang,
          theme: document.documentElement.dataset.theme,
          what: document.getElementById("what")!.textContent!.length,
          empty: document.querySelector(".empty-note")?.textContent?.length ?? 0,
          figures: document.querySelectorAll("svg.figure").length,
          // No number became NaN on its way into a figure.
          wrong: document.querySelector(".view-box")!.innerHTML.replace(/"data:image[^"]*"/g, "").match(/NaN|undefined|Infinity/g),
        };
      });
      expect(seen, view).toMatchObject({ lang, theme, wrong: null });
      expect(seen.what, view).toBeGreaterThan(40);
      if (seen.empty && view !== "whatif") expect(seen.empty).toBeGreaterThan(10);
      else {
        if (view !== "whatif") expect(seen.figures, view).toBeGreaterThan(0);
        await page.waitForSelector("details.table table tbody tr", { state: "attached" });
        expect(await page.textContent("details.table table"), view).not.toMatch(/NaN|undefined|Infinity/);
      }
    }
  }
  expect(problems).toEqual([]);
  expect(fromOutside(requests)).toEqual([]);
  await close();
});

test("without attention the views of attention say so", async () => {
  const { page, close } = await open(write(golden("rnn-no-attention")), "#view=matrix");
  expect(await page.textContent(".empty-note")).toContain("no attention");
  await page.click("#tab-replay");
  expect(await page.textContent("svg.figure")).toContain("one context vector");
  await close();
});

test.each(["lstm-additive", "gru-dot", "transformer"])("%s: pointing at a cell, a ribbon's item or a sentence marks the same everywhere", async (name) => {
  const trace = golden(name);
  const { page, problems, close } = await open(write(trace), "#view=matrix");
  const box = (await page.locator("svg.figure rect.hit").boundingBox())!;
  await page.mouse.move(box.x + (box.width * 1.5) / trace.source.tokens.length, box.y + (box.height * 2.5) / trace.steps.tokens.length);
  expect(await page.textContent(".chip.source.now")).toBe(trace.source.tokens[1].text);
  expect(await page.getAttribute(".chip.target.now", "data-at")).toBe("2");
  for (const view of VIEWS) {
    await goTo(page, `#view=${view}`);
    await page.locator(".chip.target").nth(3).hover();
    expect(await page.getAttribute(".chip.target.now", "data-at"), view).toBe("3");
  }
  expect(problems).toEqual([]);
  await close();
});

test("a model that copies shows how much it generated, and names items that only the source has", async () => {
  const trace = golden("copying");
  const { page, problems, close } = await open(write(trace), "#view=topk");
  expect(await page.locator("svg.figure path.p-gen").count()).toBe(1);
  await page.evaluate(() => (document.querySelector<HTMLDetailsElement>("details.table")!.open = true));
  await page.waitForSelector("details.table table tbody tr", { state: "attached" });
  expect(await page.textContent("details.table table")).toContain("p_gen");
  const own = trace.steps.tokens.findIndex((one: any) => one.id >= trace.model.target_size);
  expect(own).toBeGreaterThanOrEqual(0);
  expect(await page.textContent(`.cell[data-step="${own}"][data-id="${trace.steps.tokens[own].id}"]`)).toContain(trace.steps.tokens[own].text);
  await goTo(page, "#view=replay&step=1");
  expect(await page.textContent(".caption")).toContain("copies source items");
  expect(problems).toEqual([]);
  await close();
});

test("a Transformer shows scores of every head, and what its decoder sees of itself", async () => {
  const trace = golden("transformer");
  const { page, problems, close } = await open(write(trace), "#view=matrix&which=1&values=scores");
  expect(await page.inputValue("#values")).toBe("scores");
  await page.selectOption("#which", "d0");
  expect(await page.textContent(".controls .note")).toContain("cannot see yet");
  const labels = await page.$$eval("svg.figure text.source", (all) => all.map((one) => one.textContent));
  expect(labels).toEqual(["<bos>", ...trace.steps.tokens.slice(0, -1).map((one: any) => one.text)]);
  await goTo(page, "#view=replay&head=2&step=1");
  expect(await page.inputValue("#head")).toBe("2");
  const bars = (): Promise<number> => page.locator("svg.figure rect.fill-source").count();
  const withScores = await bars();
  await page.selectOption("#head", "mean");
  expect(await bars()).toBe(withScores - trace.source.tokens.length); // the mean of heads has no scores
  expect(problems).toEqual([]);
  await close();
});

test("hovering a cell marks its items in both sentences", async () => {
  const { page, close } = await open(write(golden("kor-jamo")), "#view=matrix");
  await page.waitForSelector("svg.figure rect.hit");
  const box = (await page.locator("svg.figure rect.hit").boundingBox())!;
  const [rows, cols] = [8, 7];
  await page.mouse.move(box.x + (box.width * 2.5) / cols, box.y + (box.height * 4.5) / rows);
  expect(await page.textContent(".chip.source.now")).toBe("ㄱ");
  expect(await page.getAttribute(".chip.target.now", "data-at")).toBe("4");
  expect(await page.textContent(".tip")).toContain("weight");
  await page.mouse.click(box.x + (box.width * 2.5) / cols, box.y + (box.height * 4.5) / rows);
  const hash = await page.evaluate(() => location.hash);
  expect(hash).toContain("step=4");
  expect(hash).toContain("source=2");
  await page.click("#tab-topk"); // chosen there, marked here
  expect(await page.getAttribute(".chip.target.now", "data-at")).toBe("4");
  await close();
});

test("an address leads to the view, step and setting", async () => {
  const { page, close } = await open(write(golden("kor-jamo")), "#step=3&view=beam&pruned=all");
  expect(await page.getAttribute("[role=tab][aria-selected=true]", "id")).toBe("tab-beam");
  expect(await page.inputValue("#pruned")).toBe("all");
  expect(await page.getAttribute(".chip.target.now", "data-at")).toBe("3");
  await page.evaluate(() => (location.hash = "#view=gates&step=1"));
  await page.waitForSelector("#tab-gates[aria-selected=true]");
  await page.goBack();
  await page.waitForSelector("#tab-beam[aria-selected=true]");
  await close();
});

test("the keyboard moves steps, items and views", async () => {
  const { page, close } = await open(write(golden("kor-jamo")), "#view=topk");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  expect(await page.getAttribute(".chip.target.now", "data-at")).toBe("2");
  await page.keyboard.press("ArrowDown");
  expect(await page.getAttribute(".chip.source.now", "data-at")).toBe("0");
  await page.keyboard.press("]");
  expect(await page.getAttribute("[role=tab][aria-selected=true]", "id")).toBe("tab-beam");
  await page.keyboard.press("1");
  expect(await page.getAttribute("[role=tab][aria-selected=true]", "id")).toBe("tab-replay");
  await page.keyboard.press("l");
  expect(await page.getAttribute("html", "lang")).toBe("ko");
  await page.focus("#tab-replay");
  await page.keyboard.press("ArrowRight");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("tab-matrix");
  await close();
});

test("replay runs through all moments, and moves the step of every view", async () => {
  const { page, close } = await open(write(golden("gru-dot")), "#view=replay");
  expect(await page.textContent(".caption")).toContain("encoder reads");
  const said = new Set<string>();
  for (let at = 0; at < 6 + 1 + 4 * 5; at++) {
    said.add((await page.textContent(".caption"))!);
    await page.keyboard.press("ArrowRight");
  }
  expect(said.size).toBe(6 + 1 + 4 * 5); // 6 items, the bridge, 4 steps of 5 moments
  expect(await page.getAttribute(".chip.target.now", "data-at")).toBe("3");
  await page.keyboard.press("Home");
  await page.click("#play");
  await page.waitForFunction(() => Number((document.getElementById("moment") as HTMLInputElement).value) > 1);
  await close();
});

test("hostile tokens stay text", async () => {
  const trace = goldenTrace({ source: HOSTILE, target: HOSTILE, withTarget: true, gates: ["r", "z", "n"] });
  trace.corpus = { rows: HOSTILE.map((text) => ({ source: text, reference: text, output: text, score: 1, exact: false, error_rate: 1 })) };
  trace.timelapse = { samples: [{ source: HOSTILE.slice(0, 2), target: HOSTILE.slice(0, 2), frames: [{ step: 1, weights: [[1, 0], [0, 1]], loss: 1 }] }] };
  const { page, requests, problems, close } = await open(write(trace));
  for (const view of VIEWS) {
    await goTo(page, `#view=${view}&step=1`);
    await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
    const chip = page.locator(".chip.source").first();
    await chip.hover();
    expect(await chip.textContent()).toBe("a?b");
    expect(await page.locator(".chip.source").allTextContents()).toContain(HOSTILE.at(-7)!.replaceAll(" ", "␣"));
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), view).toBeLessThanOrEqual(0);
    expect(await page.locator("#page img, #page iframe, #page script, [onerror], [onload]").count()).toBe(0);
    expect(await page.title()).not.toBe("owned");
  }
  expect(problems).toEqual([]);
  expect(fromOutside(requests)).toEqual([]);
  await close();
  const own = await open(write(golden("hostile")));
  expect(await own.page.locator("#page img").count()).toBe(0);
  await own.close();
});

test("even code that got into the page could not run or call out", async () => {
  const { page, requests, stopped, close } = await open(write(golden("gru-dot")));
  await page.evaluate(() => {
    const box = document.createElement("div");
    box.innerHTML = '<img src="https://example.org/x.png" onerror="document.title=\'owned\'">';
    document.body.append(box);
    const script = document.createElement("script");
    script.textContent = "document.title='owned'";
    document.body.append(script);
  });
  await page.waitForTimeout(200);
  expect(await page.title()).not.toBe("owned");
  // The policy of the page stops the picture before it is asked for.
  expect(fromOutside(requests).map((one) => stopped.get(one))).toEqual(["csp"]);
  await close();
});

test("every view shows a trace of 400 x 400 items; SHOW_TIMES=1 says how long each computes", async () => {
  const address = write(goldenTrace({ source: items(400, "s"), target: items(399, "t"), hidden: 512, gates: ["i", "f", "g", "o"], withTarget: true, beam: 6 }));
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  // Seconds of the page's own thread: those on the clock would be those of whatever else the machine does.
  const session = await context.newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const used = async (): Promise<number> => (await session.send("Performance.getMetrics")).metrics.find((one) => one.name === "TaskDuration")!.value;
  await page.goto(`${address}#view=replay&step=200`);
  await page.waitForSelector("svg.figure");
  let before = 0;
  const settings = ["matrix&colour=log", "matrix&values=scores&sort=peak", "ribbons&run=forced", "beam&pruned=all", "gates&side=encoder"];
  for (const view of [...VIEWS.slice(0, 9), ...settings]) {
    await goTo(page, `#view=${view}&step=200`);
    const now = await used();
    if (process.env.SHOW_TIMES) console.log(view, (now - before).toFixed(2));
    expect((await page.locator("body").innerText()).length, view).toBeGreaterThan(100); // no time: machines differ
    before = now;
  }
  await context.close();
});

test("a 100 x 100 matrix has cells to point at, and labels which do not overlap", async () => {
  const { page, close } = await open(write(goldenTrace({ source: items(100, "word"), target: items(99, "t") })), "#view=matrix");
  const box = (await page.locator("svg.figure rect.hit").boundingBox())!;
  expect(box.width / 100).toBeGreaterThanOrEqual(8);
  expect(box.height / 100).toBeGreaterThanOrEqual(8);
  const tops = await page.$$eval("svg.figure text.target", (all) => all.filter((one) => one.textContent).map((one) => one.getBoundingClientRect()).map((rect) => [rect.top, rect.bottom]));
  expect(tops.length).toBeGreaterThanOrEqual(50);
  for (let at = 1; at < tops.length; at++) expect(tops[at][0]).toBeGreaterThanOrEqual(tops[at - 1][0] + 7);
  await close();
});

test("downloads: SVG stands alone, PNG has the size of the figure, CSV has all numbers", async () => {
  const { page, close } = await open(write(golden("kor-jamo")), "#view=matrix&theme=dark", { acceptDownloads: true });
  const get = async (id: string): Promise<Buffer> => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(id)]);
    return readFileSync((await download.path())!);
  };
  const csv = (await get("#save-csv")).toString("utf8");
  expect(csv.startsWith("\ufeff")).toBe(true);
  const lines = csv.trim().split("\r\n");
  expect(lines).toHaveLength(9);
  expect(lines[1].split(",")).toHaveLength(8);
  const total = lines[1].split(",").slice(1).map(Number).reduce((a, b) => a + b, 0);
  expect(total).toBeCloseTo(1, 2);
  const svg = (await get("#save-svg")).toString("utf8");
  expect(svg).toContain("ㅎ");
  expect(svg).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
  const alone = await page.evaluate((text) => new DOMParser().parseFromString(text, "image/svg+xml").documentElement.tagName, svg);
  expect(alone).toBe("svg");
  const png = await get("#save-png");
  expect(png.subarray(1, 4).toString()).toBe("PNG");
  const width = await page.$eval("svg.figure", (one) => (one as SVGSVGElement).viewBox.baseVal.width);
  expect(png.readUInt32BE(16)).toBe(Math.ceil(width * 2));
  await close();
});

test("CSV cells cannot become formulas", async () => {
  const { page, close } = await open(write(goldenTrace({ source: HOSTILE, target: HOSTILE })), "#view=topk");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save-csv")]);
  expect(readFileSync((await download.path())!, "utf8")).toContain("'=1+2");
  await close();
});

test("without a trace the page opens a file", async () => {
  const path = join(folder, "empty.html");
  writeFileSync(path, built);
  const { page, close } = await open(`file://${path}`);
  expect(await page.textContent(".open")).toContain("Open a trace");
  const trace = join(folder, "some.json");
  writeFileSync(trace, "{}");
  await page.setInputFiles("#file", trace);
  expect(await page.textContent("[role=alert]")).toContain("not a trace");
  writeFileSync(trace, JSON.stringify(golden("gru-dot")));
  await page.setInputFiles("#file", trace);
  await page.waitForSelector("#view");
  const other = join(folder, "other.html");
  writeFileSync(other, filled(golden("kor-jamo")));
  await page.goto(`file://${path}`);
  await page.setInputFiles("#file", other);
  await page.waitForSelector("#view");
  expect(await page.textContent(".chip.source")).toBe("ㅎ");
  await close();
});

test("from a file, what-if and forcing say that they need the server", async () => {
  const { page, requests, close } = await open(write(golden("kor-jamo")), "#view=whatif");
  expect(await page.textContent(".empty-note")).toContain("--serve");
  expect(await page.isDisabled("#run-again")).toBe(true);
  await page.click("#tab-topk");
  await page.locator("g.cell").nth(1).click();
  expect(await page.textContent(".note[role=status]")).toContain("--serve");
  expect(fromOutside(requests)).toEqual([]);
  await close();
});

describe("with a server", () => {
  let server: Server;
  let address: string;
  const asked: any[] = [];

  beforeAll(async () => {
    const trace = withMore(golden("gru-dot"));
    server = createServer((request, response) => {
      if (request.method === "POST") {
        let body = "";
        request.on("data", (part) => (body += part));
        request.on("end", () => {
          const question = JSON.parse(body);
          asked.push(question);
          if (question.source === "bad") {
            response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ error: "a source must have an item" }));
            return;
          }
          const answer = golden("gru-dot");
          const at = Object.keys(question.forced ?? {})[0];
          if (at) {
            answer.steps.tokens[Number(at)].text = "FORCED";
            answer.steps.tokens[Number(at)].id = question.forced[at];
          }
          response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
        });
      } else response.writeHead(200, { "content-type": "text/html" }).end(filled(trace, ' data-server="/api/trace"'));
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
  });
  afterAll(() => server.close());

  test("a click on an item forces it, and the output changes", async () => {
    const { page, problems, close } = await open(address, "#view=topk");
    const cell = page.locator('g.cell[data-step="1"]').nth(2);
    const id = Number(await cell.getAttribute("data-id"));
    await cell.click();
    await page.waitForSelector(".chip.target:has-text('FORCED')");
    expect(asked.at(-1)).toMatchObject({ source: "abcdef", forced: { 1: id } });
    expect(problems).toEqual([]);
    await page.click("text=Back to the first trace");
    expect(await page.locator(".chip.target:has-text('FORCED')").count()).toBe(0);
    await close();
  });

  test("what-if marks what changed", async () => {
    const { page, close } = await open(address, "#view=whatif&step=2&source=1");
    await page.fill("#force-step", "2");
    await page.selectOption("#force-item", { index: 1 });
    await page.click("#force-add");
    await page.selectOption("#new-attention", "all");
    await page.selectOption("#new-start", "zero");
    await page.click("#run-again");
    await page.waitForSelector("#comparison");
    expect(await page.textContent("#comparison .chip.added")).toBe("FORCED");
    expect(await page.locator("#comparison .chip.removed").count()).toBe(1);
    expect(asked.at(-1)).toMatchObject({ start: "zero", attention: { 2: [0, 1, 0, 0, 0, 0] } });
    await page.fill("#new-source", "bad");
    await page.click("#run-again");
    await page.waitForSelector("text=a source must have an item");
    await page.click("#keep");
    expect(await page.locator(".chip.target:has-text('FORCED')").count()).toBe(1);
    await close();
  });

  test("a row of the corpus opens in the other views", async () => {
    const { page, close } = await open(address, "#view=corpus");
    await page.click("#sort-error_rate");
    expect(await page.getAttribute("th:has(#sort-error_rate)", "aria-sort")).toBe("descending");
    const first = Number(await page.locator("tbody tr").first().locator("td").nth(5).textContent());
    expect(first).toBe(49);
    await page.fill("#find", "r12");
    expect(await page.locator("tbody tr.opens").count()).toBe(11); // 12 and 120 to 129
    await page.locator("tbody tr.opens").first().click();
    await page.waitForSelector("#tab-matrix[aria-selected=true]");
    expect(asked.at(-1).target).toMatch(/^r12/);
    await close();
  });
});

test("Chromium is where the tests look", () => expect(existsSync(CHROMIUM)).toBe(true));
