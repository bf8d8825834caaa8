import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { isSecret, readSecret, secret, type SecretSurroundings } from "../src/index.ts";

function around(env: Record<string, string>, folder = "/"): SecretSurroundings {
  return { env, folder, signal: new AbortController().signal };
}

describe("a secret", () => {
  it("prints its name and never a value, however it is printed", () => {
    const token = secret("API_TOKEN");

    expect(String(token)).toBe("[secret API_TOKEN]");
    expect(JSON.stringify({ token })).toBe('{"token":"[secret API_TOKEN]"}');
    expect(inspect({ token })).toBe("{ token: [secret API_TOKEN] }");
    expect(isSecret(token)).toBe(true);
    expect(isSecret("API_TOKEN")).toBe(false);
  });

  it("is read from a variable", async () => {
    expect(await readSecret(secret("TOKEN"), around({ TOKEN: "hunter22" }))).toBe("hunter22");
  });

  it("is read from a file beside the config, without the line break at its end", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-secret-"));
    await writeFile(join(folder, "token"), "line one\nline two\r\n");

    const value = await readSecret(secret.file("token"), around({}, folder));

    await rm(folder, { recursive: true });
    expect(value).toBe("line one\nline two");
  });

  it("is read from a program that no shell starts", async () => {
    const words = ["printf", "%s", "$(touch x); `id`"];

    expect(await readSecret(secret.command(words), around({ PATH: "/usr/bin:/bin" }))).toBe(
      "$(touch x); `id`",
    );
  });

  it.each([
    ["has no value", secret("NONE"), "SECRET_MISSING", "The secret NONE has no value."],
    ["is empty", secret("EMPTY"), "SECRET_MISSING", "The secret EMPTY has no value."],
    [
      "is too short",
      secret("SHORT"),
      "SECRET_TOO_SHORT",
      "The secret SHORT has fewer than 6 characters.",
    ],
    [
      "cannot be read",
      secret.file("/nowhere/x"),
      "SECRET_UNREADABLE",
      "The secret /nowhere/x could not be read: ENOENT.",
    ],
    [
      "comes from a program that is missing",
      secret.command(["no-such-program"]),
      "SECRET_UNREADABLE",
      "The secret no-such-program could not be read: ENOENT.",
    ],
    [
      "comes from a program that fails",
      secret.command(["sh", "-c", "echo leaked-value >&2; exit 3"]),
      "SECRET_UNREADABLE",
      "The secret sh could not be read: 3.",
    ],
  ])("that %s is refused by name", async (_, wanted, code, message) => {
    const env = { EMPTY: "", SHORT: "12345", PATH: "/usr/bin:/bin" };

    await expect(readSecret(wanted, around(env))).rejects.toMatchObject({ code, message });
  });

  it("is not in the cause of a failed program", async () => {
    const wanted = secret.command(["sh", "-c", "echo leaked-value; exit 3"]);

    const error: unknown = await readSecret(wanted, around({ PATH: "/usr/bin:/bin" })).catch(
      (e: unknown) => e,
    );

    expect(inspect(error, { depth: 9 })).not.toContain("leaked-value");
  });
});
