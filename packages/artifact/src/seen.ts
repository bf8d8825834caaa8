import type { Artifact, Seen } from "./artifact.ts";
import type { Child, Tree } from "./tree.ts";

/** For a source that nobody has read. */
export function nothingSeen(): Seen {
  return { files: new Map(), pictures: new Map() };
}

/** The same tree, of whose directories pictures are taken anew. */
export function pictured(tree: Tree, seen: Seen): Tree {
  const { pictures } = seen;
  pictures.clear();
  seen.artifact = undefined;
  return {
    ...tree,
    async children(directory) {
      const found = await tree.children(directory);
      pictures.set(directory, pictureOf(found));
      return found;
    },
  };
}

/** What was made of a tree, where everything in it still looks the same. */
export async function asSeen(
  tree: Tree,
  { pictures, artifact }: Seen,
): Promise<Artifact | undefined> {
  if (artifact === undefined) return undefined;
  for (const [directory, picture] of pictures) {
    if (picture === undefined) return undefined;
    const children = await tree.children(directory).catch(() => []);
    if (pictureOf(children) !== picture) return undefined;
  }
  return artifact;
}

/** Names and what tells of a change, between bytes that neither has. */
function pictureOf(children: readonly Child[]): string | undefined {
  let picture = "";
  for (const child of children) {
    const state = stateOf(child);
    if (state === undefined) return undefined;
    picture += `${Buffer.from(child.name).toString("latin1")}\0${state}\0`;
  }
  return picture;
}

function stateOf(child: Child): string | undefined {
  if (child.kind === "file") return child.state;
  if (child.kind === "link") return `link ${Buffer.from(child.target).toString("latin1")}`;
  return child.kind === "special" ? child.what : child.kind;
}
