import { describe, expect, it } from "vitest";
import { edgeOf, SCRIPT, worldOf } from "./router-world.ts";

/** What is to come of a path: the document, where it leads, or nothing. Says so without hashes or tables. */
function expected(path: string, documents: ReadonlySet<string>, pool: ReadonlySet<string>): string {
  if (path.endsWith("/") || path === "") {
    if (documents.has(`${path}index.html`)) return `200 ${path}index.html`;
    return documents.has(`${path.slice(0, -1)}.html`) ? `301 /${path.slice(0, -1)}` : "404";
  }
  if (documents.has(path)) return `200 ${path}`;
  if (pool.has(path)) return `200 ${path}`;
  if (documents.has(`${path}.html`)) return `200 ${path}.html`;
  return documents.has(`${path}/index.html`) ? `301 /${path}/` : "404";
}

describe("the router, on sites and URLs by chance", () => {
  const seed = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);
  process.stdout.write(`LOCKSTEP_SEED=${seed}\n`);
  let state = seed + 1;
  const random = (below: number): number => {
    state = Math.imul(state ^ (state >>> 15), 0x2c_1b_3c_6d) + 0x9e_37_79_b9;
    return (state >>> 0) % below;
  };
  const words = ["a", "b", "index", "docs", "a b", "é", "x.y", "~", "index.html", "+", "'"];
  const word = (): string => words[random(words.length)] ?? "";
  const ends = ["", ".html", "/index.html", ".txt", "/", "/index"];
  const path = (): string => {
    const parts = Array.from({ length: 1 + random(3) }, word);
    return `${parts.join("/")}${ends[random(ends.length)] ?? ""}`;
  };

  it("answers each as the plain rules say", async () => {
    for (let round = 0; round < 40; round += 1) {
      const paths = Array.from({ length: 30 }, path).filter((one) => !one.endsWith("/"));
      const documents = new Set(paths);
      const edge = edgeOf(worldOf([...documents]));
      const asked = [...Array.from({ length: 60 }, path), ...documents, "", SCRIPT];
      for (const one of asked) {
        const uri = `/${one.split("/").map(encodeURIComponent).join("/")}`;
        const { status, headers, body } = await edge.visit(uri);
        const location = decodeURI(headers["location"] ?? "").replaceAll("%2B", "+");
        const found = body.replace(/^(?:r\/[0-9a-f]{64}|p)\//, "");
        const seen = status === 200 ? `200 ${found}` : `${status} ${location}`.trim();
        expect(seen, `${one} of ${[...documents].join(" ")}`).toBe(
          expected(one, documents, new Set([SCRIPT])),
        );
      }
    }
  });
});
