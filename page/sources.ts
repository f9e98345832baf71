// The hash of everything the page is built from. tests/page/test_fresh.py computes the same without Node.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const SINGLE = ["index.html", "package.json", "package-lock.json", "sources.ts", "tsconfig.json", "vite.config.ts"];

function walk(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? walk(root, `${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
  );
}

/** sha256 over `name NUL content NUL` of all source files, by name. */
export function sourcesHash(root: string): string {
  const digest = createHash("sha256");
  for (const name of [...SINGLE, ...walk(root, "src")].sort()) {
    digest.update(name).update("\0").update(readFileSync(join(root, name))).update("\0");
  }
  return digest.digest("hex");
}
