import { createReadStream } from "node:fs";
import { type FileHandle, open, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { archiveUnfit } from "../errors.ts";

/** Files of a folder or of a tar archive, by their path. */
export interface Files {
  /** For messages. */
  readonly name: string;
  /** Bytes; undefined when there is no such file. */
  size(path: string): Promise<number | undefined>;
  open(path: string): AsyncIterable<Uint8Array>;
}

/** The files of a folder. Links that lead out of it are not followed. */
export async function folderFiles(folder: string): Promise<Files> {
  const root = await realpath(folder).catch(() => {
    throw archiveUnfit(folder, "there is no such folder");
  });
  return {
    name: folder,
    async size(path) {
      const place = await realpath(join(root, path)).catch(() => undefined);
      if (place === undefined) return undefined;
      if (!place.startsWith(`${root}/`)) throw archiveUnfit(folder, `${path} leads out of it`);
      const found = await stat(place);
      return found.isFile() ? found.size : undefined;
    },
    open: (path) => createReadStream(join(root, path), { highWaterMark: 64 * 1024 }),
  };
}

const BLOCK = 512;
/** Most members of an archive. */
const MOST_MEMBERS = 100_000;

interface Member {
  readonly at: number;
  readonly size: number;
}

/**
 * The files of a tar archive, read in place: nothing is unpacked. Refuses names that leave the archive and
 * names that come twice; links are not files.
 *
 * @throws {LockstepError} `REGISTRY_ARCHIVE`
 */
export async function archiveFiles(path: string): Promise<Files> {
  const members = await indexOf(path);
  return {
    name: path,
    async size(wanted) {
      return members.get(wanted)?.size;
    },
    open(wanted) {
      const member = members.get(wanted);
      if (member === undefined) throw archiveUnfit(path, `it has no ${wanted}`);
      const { at, size } = member;
      return size === 0
        ? nothing()
        : createReadStream(path, { start: at, end: at + size - 1, highWaterMark: 64 * 1024 });
    },
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function indexOf(path: string): Promise<ReadonlyMap<string, Member>> {
  await using file = await open(path).catch(() => {
    throw archiveUnfit(path, "it cannot be read");
  });
  const { size: end } = await file.stat();
  const members = new Map<string, Member>();
  let at = 0;
  let long: string | undefined;
  while (at + BLOCK <= end) {
    const head = await readAt(file, at, BLOCK);
    if (head.every((byte) => byte === 0)) break;
    const member = headOf(path, head, at);
    if (at + BLOCK + member.size > end) throw archiveUnfit(path, "it is cut off");
    const body = at + BLOCK;
    if (member.flag === "x" || member.flag === "L") {
      if (member.size > 64 * 1024) throw archiveUnfit(path, "a name in it is too long");
      const text = (await readAt(file, body, member.size)).toString();
      long = member.flag === "L" ? text.replace(/\0.*$/s, "") : (paxPath(text) ?? long);
    } else if (member.flag !== "g") {
      note(path, members, {
        name: long ?? member.name,
        flag: member.flag,
        at: body,
        size: member.size,
      });
      long = undefined;
    }
    at = body + Math.ceil(member.size / BLOCK) * BLOCK;
  }
  return members;
}

function note(
  path: string,
  members: Map<string, Member>,
  { name, flag, at, size }: Member & { readonly name: string; readonly flag: string },
): void {
  const clean = name.replace(/^(\.\/)+/, "").replace(/\/+$/, "");
  if (clean.startsWith("/") || clean.split("/").includes("..")) {
    throw archiveUnfit(
      path,
      `it holds ${JSON.stringify(name.slice(0, 200))}, which leads out of it`,
    );
  }
  if (flag !== "0" && flag !== "\0") return;
  if (members.has(clean)) throw archiveUnfit(path, `it holds ${clean} twice`);
  if (members.size >= MOST_MEMBERS) throw archiveUnfit(path, "it holds too many files");
  members.set(clean, { at, size });
}

/** @see POSIX.1-2017, pax, "ustar Interchange Format" */
function headOf(
  path: string,
  head: Buffer,
  at: number,
): { readonly name: string; readonly flag: string; readonly size: number } {
  const sum = head.reduce(
    (total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte),
    0,
  );
  if (numberAt(head, 148, 8) !== sum)
    throw archiveUnfit(path, `it is no tar archive at byte ${at}`);
  const prefix =
    head.toString("latin1", 257, 262) === "ustar" && head[262] === 0 ? textAt(head, 345, 155) : "";
  const name = textAt(head, 0, 100);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    flag: head.toString("latin1", 156, 157),
    size: numberAt(head, 124, 12),
  };
}

function textAt(head: Buffer, from: number, length: number): string {
  return head.toString("utf8", from, from + length).replace(/\0.*$/s, "");
}

function numberAt(head: Buffer, from: number, length: number): number {
  if ((head[from] ?? 0) & 0x80) return Number(head.readBigUInt64BE(from + length - 8));
  return Number.parseInt(textAt(head, from, length).trim() || "0", 8);
}

function paxPath(text: string): string | undefined {
  return /^\d+ path=(.*)$/m.exec(text)?.[1];
}

async function readAt(file: FileHandle, at: number, size: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, at);
  return buffer.subarray(0, bytesRead);
}
