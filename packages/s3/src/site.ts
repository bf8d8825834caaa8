import { hash } from "node:crypto";
import { type Artifact, type FileEntry, type GuardName, readSource } from "@lockstep/artifact";
import type { TargetContext } from "@lockstep/plugin";
import { grading } from "./assets.ts";
import { STATUS_HEADER } from "./cloudfront/route.ts";
import { headersUnfit, keysUnfit, linksBroken, siteEmpty } from "./errors.ts";
import type { S3Settings, SiteGuard } from "./options.ts";
import { type References, readReferences } from "./references.ts";
import { type SiteFile, type SiteRelease, siteRelease } from "./release.ts";
import { HEADERS_FILE, readHeadersFile } from "./rules/headers-file.ts";
import { configRules, headerPolicy, type Rule } from "./rules/policy.ts";
import {
  type Redirect,
  REDIRECTS_FILE,
  readRedirectsFile,
  redirectPaths,
} from "./rules/redirects-file.ts";

/** A source that was read, before anything was decided about its files. */
export interface SiteSource {
  readonly artifact: Artifact;
  /** Digest of all that decides what becomes of the source: its files and the options. */
  readonly made: string;
}

/** What is to be deployed: a release, and where its bytes are read again. */
export interface Site {
  readonly release: SiteRelease;
  readonly made: string;
  /** The bytes of one file, whose digest is compared. */
  read(file: SiteFile, signal?: AbortSignal): Promise<Uint8Array>;
  /** The same piece by piece; throws at the end when they are not the bytes that were planned. */
  pieces(file: SiteFile, signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

/** Raised with every change in how a release is made of a source. */
const RECIPE = 3;

/** Longest key, in bytes. */
const LONGEST_KEY = 1024;

/**
 * Reads the source.
 *
 * @throws {LockstepError} what reading a source raises
 */
export async function readFiles(settings: S3Settings, ctx: TargetContext): Promise<SiteSource> {
  const artifact = await readSource(settings.source, {
    folder: ctx.folder,
    exclude: settings.exclude,
    allow: settings.allow.filter(isSourceGuard),
    signal: ctx.signal,
  });
  const { prefix, state, headers, assets, allow } = settings;
  const recipe = [RECIPE, artifact.digest, { prefix, state, headers, assets, allow }];
  return { artifact, made: hash("sha256", JSON.stringify(recipe), "hex") };
}

/**
 * Decides for each file its headers and whether it is an asset.
 *
 * @throws {LockstepError} `S3_EMPTY`, `S3_KEY`, `S3_HEADERS_FILE`, `S3_REFERENCES`
 */
export async function makeSite(
  settings: S3Settings,
  { artifact, made }: SiteSource,
  ctx: TargetContext,
): Promise<Site> {
  const entries = artifact.manifest.filter((entry) => entry.type === "file");
  const files = new Map(
    entries
      .filter(({ path }) => path !== HEADERS_FILE && path !== REDIRECTS_FILE)
      .map((entry) => [entry.path.normalize("NFC"), entry]),
  );
  refuseEmpty(settings, files);
  const ruleText = async (name: string): Promise<string> =>
    entries.some(({ path }) => path === name) ? textOf(artifact, name, ctx.signal) : "";
  const rules = readHeadersFile(await ruleText(HEADERS_FILE));
  const by = settings.cloudfront?.router === undefined ? "bucket" : "router";
  const redirects = readRedirectsFile(await ruleText(REDIRECTS_FILE), by);
  refuseRules(settings, { [HEADERS_FILE]: rules.problems, [REDIRECTS_FILE]: redirects.problems });
  const sent = redirectFiles(redirects.rules, files);
  refuseKeys(settings, artifact, sent);
  const references = await readReferences(
    [...files].map(([path, { size }]) => ({ path, size })),
    {
      others: sent.map(({ path }) => path),
      prefix: settings.prefix,
      read: async (path) => textOf(artifact, files.get(path)?.path ?? path, ctx.signal),
    },
  );
  if (references.broken.length > 0 && !settings.allow.includes("references")) {
    throw linksBroken(references.broken);
  }
  const release = siteRelease([
    ...siteFiles(settings, { files, references, rules: rules.rules }),
    ...sent,
  ]);
  return { release, made, ...readerOf(artifact, files, sent) };
}

/** Reads files by their keys. Holds little: a site is there until it is sent. */
function readerOf(
  artifact: Artifact,
  files: Files,
  redirects: readonly SiteFile[],
): Pick<Site, "read" | "pieces"> {
  const isOdd = ([path, { path: name }]: readonly [string, FileEntry]): boolean => path !== name;
  const names = new Map([...files].filter(isOdd).map(([path, { path: name }]) => [path, name]));
  const empty = new Set(redirects.map(({ path }) => path));
  const pieces: Site["pieces"] = ({ path }, signal) =>
    artifact.open(names.get(path) ?? path, { signal });
  return {
    pieces,
    read: async (file, signal) =>
      empty.has(file.path) ? new Uint8Array() : collect(pieces(file, signal)),
  };
}

/** Files by their keys below the prefix. */
type Files = ReadonlyMap<string, FileEntry>;

function siteFiles(
  { headers, assets, limits }: S3Settings,
  {
    files,
    references,
    rules,
  }: { readonly files: Files; readonly references: References; readonly rules: readonly Rule[] },
): readonly SiteFile[] {
  const policy = headerPolicy([...rules, ...configRules(headers)]);
  const gradeOf = grading(assets, references);
  return [...files].map(([path, { digest, size }]): SiteFile => {
    const sha256 = digest.slice("sha256:".length);
    const grade = gradeOf(path);
    // an upload in parts has no condition that every server keeps: it goes where nobody looks
    const inPlace = grade !== "page" && !isLarge(size, limits);
    const isAsset = grade === "asset";
    return { path, sha256, size, headers: policy({ path, isAsset }), inPlace };
  });
}

/** Tells whether a file is sent in parts. */
export function isLarge(size: number, { partBytes }: S3Settings["limits"]): boolean {
  return size > 4 * partBytes;
}

/** Redirects as objects without bytes; where there is a file, the file stays. */
function redirectFiles(redirects: readonly Redirect[], files: Files): readonly SiteFile[] {
  const policy = headerPolicy([]);
  const made = new Map<string, SiteFile>();
  for (const redirect of redirects) {
    for (const path of redirectPaths(redirect)) {
      if (files.has(path) || made.has(path)) continue;
      const headers = {
        ...policy({ path: "redirect.html", isAsset: false }),
        "x-amz-website-redirect-location": redirect.to,
        ...(redirect.status === undefined ? {} : { [STATUS_HEADER]: String(redirect.status) }),
      };
      made.set(path, { path, sha256: hash("sha256", "", "hex"), size: 0, headers, inPlace: false });
    }
  }
  return [...made.values()];
}

function refuseEmpty({ source, allow }: S3Settings, files: Files): void {
  if (allow.includes("empty")) return;
  const name = typeof source === "string" ? source : source.git;
  if (files.size === 0) throw siteEmpty(name, "file");
  if (![...files.keys()].some((path) => /\.html?$/i.test(path))) throw siteEmpty(name, "page");
}

function refuseRules(
  { allow }: S3Settings,
  problems: Readonly<Record<string, readonly string[]>>,
): void {
  if (allow.includes("rules")) return;
  for (const [file, lines] of Object.entries(problems)) {
    if (lines.length > 0) throw headersUnfit(file, lines.slice(0, 10).join("; "));
  }
}

function refuseKeys(
  { prefix, state }: S3Settings,
  { manifest }: Artifact,
  redirects: readonly SiteFile[],
): void {
  const made = redirects.map(({ path }) => ({ path, type: "file" as const }));
  const problems = [...manifest, ...made].flatMap(({ type, path }) => {
    const key = `${prefix}${path.normalize("NFC")}`;
    if (type === "link") return [`${path} (a symbolic link)`];
    if (type === "directory") return [];
    if (key.startsWith(state)) return [`${path} (Lockstep keeps its own objects there)`];
    const isLong = Buffer.byteLength(key) > LONGEST_KEY;
    return isLong ? [`${path} (longer than ${LONGEST_KEY} bytes)`] : [];
  });
  if (problems.length > 0) throw keysUnfit(problems);
}

const OWN: readonly SiteGuard[] = ["empty", "shrink", "references", "rules"];

function isSourceGuard(guard: GuardName | SiteGuard): guard is GuardName {
  return !OWN.some((own) => own === guard);
}

async function textOf(artifact: Artifact, path: string, signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of artifact.open(path, { signal, isPassing: true })) {
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  const [only] = all;
  return all.length === 1 && only !== undefined ? only : Buffer.concat(all);
}
