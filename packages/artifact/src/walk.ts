import { twins, type Verdict } from "./guards.ts";
import { linkProblem } from "./links.ts";
import { nameProblem, shown, targetProblem } from "./names.ts";
import { secretName } from "./secrets.ts";
import type { Child, SizedFile, Tree } from "./tree.ts";

/** A file that was found, with what its entry will say of it. */
export interface FoundFile extends SizedFile {
  readonly executable: boolean;
  /** As in {@link Child}. */
  readonly state?: string | undefined;
}

/** What a walk found and no guard refused. */
export interface Walked {
  readonly directories: readonly string[];
  readonly files: readonly FoundFile[];
  /** Target by path. */
  readonly links: ReadonlyMap<string, string>;
}

/** How to walk. */
export interface WalkOptions {
  isIgnored(path: string, isDirectory: boolean): boolean;
  /** Learns of every offender; the walk goes on past them. */
  readonly verdict: Verdict;
  readonly signal?: AbortSignal | undefined;
}

/** Lists a tree, without what the rules leave out and what the guards refuse by its name or kind. */
export async function walk(tree: Tree, options: WalkOptions): Promise<Walked> {
  const directories: string[] = [];
  const files: FoundFile[] = [];
  const links = new Map<string, string>();
  const ahead = [""];

  for (let directory = ahead.pop(); directory !== undefined; directory = ahead.pop()) {
    options.signal?.throwIfAborted();
    const children = await tree.children(directory);
    for (const { path, child } of judged(directory, children, options)) {
      if (child.kind === "directory") ahead.push(path);
      if (child.kind === "directory") directories.push(path);
      else if (child.kind === "link") links.set(path, Buffer.from(child.target).toString());
      else if (child.kind === "file") files.push(found(path, child));
    }
  }

  return { directories, files, links: judgedLinks(links, options.verdict) };
}

/** Without the bytes of its name: there may be many files. */
function found(path: string, { size, executable, state }: FileChild): FoundFile {
  return { path, size, executable, state };
}

type FileChild = Child & { readonly kind: "file" };

interface Named {
  readonly path: string;
  readonly name: string;
  readonly child: Child;
}

function judged(
  directory: string,
  children: readonly Child[],
  { isIgnored, verdict }: WalkOptions,
): readonly Named[] {
  const named = children
    .toSorted((a, b) => Buffer.compare(a.name, b.name))
    .map((child) => nameIn(directory, child))
    .filter(({ path, child }) => !isIgnored(path, child.kind === "directory"))
    .filter(({ child }) => isShippable(directory, child, verdict));

  for (const [twin, other] of twins(named.map(({ name }) => name))) {
    const reason = `it is the same name as ${shown(other)} where case or Unicode form do not count`;
    verdict.refuse({ path: shown(joined(directory, twin)), guard: "twins", reason });
  }
  return named.filter(({ path, child }) => !isSecretFile(path, child, verdict));
}

function nameIn(directory: string, child: Child): Named {
  const name = Buffer.from(child.name).toString();
  return { path: joined(directory, name), name, child };
}

function joined(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}

/** What is not shippable is left out even when its guard is off: no manifest can hold it. */
function isShippable(directory: string, child: Child, verdict: Verdict): boolean {
  const reason =
    nameProblem(child.name) ?? (child.kind === "link" ? targetProblem(child.target) : undefined);
  if (reason === undefined && child.kind !== "special") return true;

  const prefix = directory === "" ? "" : `${directory}/`;
  const path = shown(Buffer.concat([Buffer.from(prefix), child.name]));
  if (reason !== undefined) verdict.refuse({ path, guard: "names", reason });
  if (child.kind !== "special") return false;
  verdict.refuse({ path, guard: "special", reason: `it is ${child.what}` });
  return false;
}

function isSecretFile(path: string, child: Child, verdict: Verdict): boolean {
  const reason = child.kind === "file" ? secretName(path) : undefined;
  return reason !== undefined && verdict.refuse({ path: shown(path), guard: "secrets", reason });
}

function judgedLinks(
  links: ReadonlyMap<string, string>,
  verdict: Verdict,
): ReadonlyMap<string, string> {
  const kept = [...links].filter(([path]) => {
    const reason = linkProblem(path, links);
    if (reason === undefined) return true;
    return !verdict.refuse({ path: shown(path), guard: "links", reason });
  });
  return new Map(kept);
}
