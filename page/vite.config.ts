import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";
import { sourcesHash } from "./sources.ts";

const root = fileURLToPath(new URL(".", import.meta.url));

/**
 * One file: the script goes into the HTML, with a policy which allows that script and nothing from outside.
 * `connect-src 'self'` is for `seqweave inspect --serve`; a page opened from a file has no such origin.
 */
function oneFile(): Plugin {
  return {
    name: "one-file",
    enforce: "post",
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((part) => part.type === "chunk");
      const html = bundle["index.html"];
      if (chunks.length !== 1 || html?.type !== "asset") throw new Error("the build must give one script and one page");
      const code = chunks[0].code.trim().replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
      const hash = createHash("sha256").update(code).digest("base64");
      const policy =
        `default-src 'none'; script-src 'sha256-${hash}'; style-src 'unsafe-inline'; ` +
        "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'";
      const head =
        `<meta http-equiv="Content-Security-Policy" content="${policy}">\n` +
        `  <meta name="seqweave-page-sources" content="${sourcesHash(root)}">`;
      html.source = String(html.source)
        .replace(/\s*<script type="module"[^>]*><\/script>/, "")
        .replace("<!-- head -->", () => head)
        .replace("<!-- script -->", () => `<script type="module">${code}</script>`);
      for (const name of Object.keys(bundle)) if (name !== "index.html") delete bundle[name];
    },
  };
}

export default defineConfig({
  root,
  base: "./",
  plugins: [oneFile()],
  build: {
    outDir: "../src/seqweave/inspection/page",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 1_000_000,
    cssCodeSplit: false,
  },
  test: { include: ["tests/**/*.test.ts"], testTimeout: 300_000, hookTimeout: 120_000, fileParallelism: false },
} as Parameters<typeof defineConfig>[0]);
