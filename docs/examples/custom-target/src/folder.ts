import { hash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { planned, sourceChanged, type Step, stepConflict, type Target } from "@lockstep/plugin";

const stage: Step<{ file: string; path: string; ref: string }, null, null, AsyncDisposable> = {
  kind: "folder.stage/1",
  describe: ({ file, path, ref }) => `copy ${file} to ${path}/releases/${ref}`,
  inspect: () => Promise.resolve(null),
  async apply({ file, path, ref }) {
    const bytes = readFileSync(file);
    const found = hash("sha256", bytes);
    if (found !== ref) throw sourceChanged(file, { wanted: ref, found });
    write(`${path}/releases/${ref}`, bytes);
    return null;
  },
};

const activate: Step<{ path: string; ref: string }, readonly string[], null, AsyncDisposable> = {
  kind: "folder.activate/1",
  describe: ({ path, ref }) => `name ${ref} in ${path}/current`,
  inspect: async ({ path }) => read(path),
  async apply({ path, ref }, [before = null]) {
    const [found = null] = read(path);
    if (found !== ref && found !== before) throw stepConflict(path, { wanted: before, found });
    if (found !== ref) write(`${path}/current`, [ref, before].join("\n"));
    return null;
  },
  async revert({ path, ref }, before) {
    const [found] = read(path);
    if (found !== ref) return found === before[0] ? "untouched" : "conflict";
    write(`${path}/current`, before.join("\n"));
    return "restored";
  },
};

/** Puts one file live in a folder with `releases/`: `current` names the live one and the one before. */
export function folder(file: string, path: string): Target {
  return {
    "~lockstep": { api: 1, plugin: "lockstep-folder", version: "1.0.0" },
    places: [`file://${path}`],
    traits: { fencing: "none" }, // an older run could still write between `read` and `write`
    steps: [stage, activate],
    connect: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
    live: async () => [{ ref: read(path)[0] ?? null, kept: read(path).slice(1) }],
    async plan(wish) {
      const ref = wish.kind === "deploy" ? hash("sha256", readFileSync(file)) : wish.refs[0]?.ref;
      const input = { file, path, ref: ref as string };
      const copy = planned(stage, { id: "stage", phase: "stage", input, undo: "leave" });
      const name = planned(activate, { id: "activate", phase: "activate", input });
      const steps = wish.kind === "deploy" ? [copy, name] : [name];
      const [live = null] = read(path);
      const undo = "Names the release again that is live now.";
      if (live === ref) return { changes: [], unchanged: 1, steps: [], basedOn: live, undo };
      const changes = [{ action: "change", what: file, reason: "content" } as const];
      return { changes, unchanged: 0, steps, basedOn: live, undo };
    },
  };
}

/** The live release, then the one before it. */
const read = (path: string): readonly string[] =>
  existsSync(`${path}/current`) ? (readFileSync(`${path}/current`, "utf8").match(/.+/g) ?? []) : [];

/** Readers see the old file or the new one, never half of one. */
function write(file: string, body: string | Uint8Array): void {
  writeFileSync(`${file}.draft`, body, { flush: true });
  renameSync(`${file}.draft`, file);
}
