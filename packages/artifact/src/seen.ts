import type { Artifact, Pictures, Seen } from "./artifact.ts";
import type { Child, Tree } from "./tree.ts";

/** For a source that nobody has read. */
export function nothingSeen(): Seen {
  return { files: new Map() };
}

/** The same tree, and the pictures of its directories that are taken while they are listed. */
export function pictured(tree: Tree): { readonly tree: Tree; readonly pictures: Pictures } {
  const pictures = new Map<string, string | undefined>();
  const children: Tree["children"] = async (directory) => {
    const found = await tree.children(directory);
    pictures.set(directory, pictureOf(found));
    return found;
  };
  return { tree: { ...tree, children }, pictures };
}

/** What was made of a tree, where everything in it still looks the same. */
export async function asSeen(tree: Tree, { last }: Seen): Promise<Artifact | undefined> {
  if (last === undefined) return undefined;
  for (const [directory, picture] of last.pictures) {
    if (picture === undefined) return undefined;
    // what cannot be listed any more is for the reading that follows to tell
    const children = await tree.children(directory).catch(() => undefined);
    if (children === undefined || pictureOf(children) !== picture) return undefined;
  }
  return last.artifact;
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
