import { glob, readFile } from "node:fs/promises";
import { basename, isAbsolute } from "node:path";
import type { TargetContext } from "@lockstep/plugin";
import { localPath } from "./local-path.ts";

/** Files within files that are followed, as many as OpenSSH does. */
const MOST_FILES = 16;

/** A section that every host is in. */
const EVERYBODY = "Match all";

/** Where a file of ssh_config is, for the paths in it. */
export interface IncludeOrigin {
  /** `~/.ssh`, or `/etc/ssh` for the file of the machine. */
  readonly folder: string;
  readonly ctx: TargetContext;
  /** Files that this one is in; default 0. */
  readonly depth?: number;
}

/**
 * The text of a file with what it includes in place of each `Include`.
 *
 * @throws when a file with sections is included in a section of some hosts, or files include one another
 * @see ssh_config(5), `Include`
 */
export async function withIncludes(text: string, origin: IncludeOrigin): Promise<string> {
  const { depth = 0 } = origin;
  if (depth > MOST_FILES)
    throw new Error(`\`Include\` leads through more than ${MOST_FILES} files`);
  let section = EVERYBODY;
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (isSection(line)) section = line.trim();
    const written = /^\s*include(?:\s*=\s*|\s+)(.+)$/i.exec(line)?.[1];
    if (written === undefined) {
      lines.push(line);
      continue;
    }
    const included = await read(written, { ...origin, depth: depth + 1 });
    if (hasSections(included) && !isOfAll(section)) {
      throw new Error(
        `\`Include\` of a file with sections, in the section \`${section}\`, is only understood where the ssh program is installed`,
      );
    }
    // what follows belongs to the section that the line is in, not to the last one of the file
    lines.push(included, ...(hasSections(included) ? [section] : []));
  }
  return lines.join("\n");
}

async function read(written: string, origin: IncludeOrigin): Promise<string> {
  const texts: string[] = [];
  for (const [, quoted, plain = ""] of written.matchAll(/"([^"]*)"|(\S+)/g)) {
    for (const path of await filesOf(quoted ?? plain, origin)) {
      const text = await readFile(path, "utf8").catch((cause: unknown) => {
        if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return "";
        throw cause;
      });
      const whole = await withIncludes(text, origin);
      // the next file starts anew
      texts.push(whole, ...(hasSections(whole) ? [EVERYBODY] : []));
    }
  }
  return texts.join("\n");
}

async function filesOf(pattern: string, { folder, ctx }: IncludeOrigin): Promise<string[]> {
  const isWhole = isAbsolute(pattern) || pattern.startsWith("~/");
  const isHiddenWanted = basename(pattern).startsWith(".");
  const found: string[] = [];
  for await (const path of glob(localPath(isWhole ? pattern : `${folder}/${pattern}`, ctx))) {
    if (isHiddenWanted || !basename(path).startsWith(".")) found.push(path);
  }
  return found.toSorted();
}

function isSection(line: string): boolean {
  return /^\s*(?:host|match)(?:\s|=)/i.test(line);
}

function hasSections(text: string): boolean {
  return text.split("\n").some(isSection);
}

function isOfAll(section: string): boolean {
  return /^(?:match\s+all|host\s+\*)$/i.test(section);
}
