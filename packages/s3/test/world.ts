import { hash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { secret } from "@lockstep/plugin";
import type { S3Options } from "../src/index.ts";

/** A server with a bucket that tests may write to, and a way to look past the plugin. */
export interface Server {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** An object as somebody else sees it. */
export interface Seen {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Name of the script that a version of the shop has. */
export function scriptOf(text: string): string {
  return `assets/app.${hash("sha256", text, "hex").slice(0, 10)}.js`;
}

/** Files of a small site: pages, a style that is replaced in place, a script named by its digest. */
export function filesOf(version: string): Record<string, string> {
  const script = scriptOf(`console.log("${version}")`);
  return {
    "index.html": page(`Welcome ${version}`, script),
    "about/index.html": page(`About ${version}`, script),
    ...(version === "one" ? { "old.html": page("Only in one", script) } : {}),
    ...(version === "two" ? { "new.html": page("Only in two", script) } : {}),
    "style.css": `body { content: "${version}" }`,
    "same.txt": "the same in all",
    [script]: `console.log("${version}")`,
  };
}

function page(title: string, script: string): string {
  return `<!doctype html><link rel="stylesheet" href="/style.css"><title>${title}</title><script src="/${script}"></script>`;
}

/** A folder that holds a site. */
export class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async open(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), "lockstep-s3-")));
  }

  async build(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
    await rm(join(this.path, "dist"), { recursive: true, force: true });
    await mkdir(join(this.path, "dist"), { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(this.path, "dist", name)), { recursive: true });
      await writeFile(join(this.path, "dist", name), text);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Options for a site on a test server. */
export function optionsFor(
  server: Server,
  bucket: string,
  more: Partial<S3Options> = {},
): S3Options {
  return {
    bucket,
    source: "dist",
    endpoint: server.endpoint,
    region: server.region,
    credentials: {
      accessKeyId: server.credentials.accessKeyId,
      secretAccessKey: secret("S3_SECRET"),
    },
    ...more,
  };
}
