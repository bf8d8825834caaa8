import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** What a page says of itself once it has loaded: edition of its script, of its style, and broken images. */
export async function seenInBrowser(url: string): Promise<string | undefined> {
  const profile = await mkdtemp(join(tmpdir(), "lockstep-browser-"));
  try {
    const words = [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      `--user-data-dir=${profile}`,
      "--dump-dom",
      url,
    ];
    const { stdout } = await promisify(execFile)("chromium", words, { timeout: 60_000 });
    return /data-seen="([^"]*)"/.exec(stdout)?.[1];
  } finally {
    await rm(profile, { recursive: true, force: true });
  }
}
