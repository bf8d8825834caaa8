import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  fingerprintOf,
  judgeHostKey,
  knownHostName,
  listedKeyTypes,
  publicKeyText,
} from "../src/known-hosts.ts";

/** A public key of some type; only type and bytes matter here. */
function keyOf(type: string, seed: number): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(type.length);
  return Buffer.concat([length, Buffer.from(type), Buffer.alloc(36, seed)]);
}

const OURS = keyOf("ssh-ed25519", 1);
const OTHER = keyOf("ssh-ed25519", 2);
const RSA = keyOf("ssh-rsa", 3);
const WEB = { address: "web-1.example.com", port: 22 };
const line = (hosts: string, key = OURS): string => `${hosts} ${publicKeyText(key)} comment\n`;

describe("judgeHostKey", () => {
  it.each([
    ["the name", line("web-1.example.com")],
    ["one of several names", line("db,web-1.example.com,10.0.0.1")],
    ["a name in capitals", line("WEB-1.example.com")],
    ["a pattern with *", line("*.example.com")],
    ["a pattern with ?", line("web-?.example.com")],
    ["a line after comments and blanks", `# hosts\n\n   \n${line("web-1.example.com")}`],
    ["a line separated by tabs", line("web-1.example.com").replaceAll(" ", "\t")],
    [
      "two keys of which one is right",
      line("web-1.example.com", OTHER) + line("web-1.example.com"),
    ],
  ])("accepts a key listed under %s", (_, text) => {
    expect(judgeHostKey(text, WEB, OURS)).toEqual({ kind: "known" });
  });

  it.each([
    ["an empty file", ""],
    ["another host", line("web-2.example.com")],
    ["a longer name", line("web-1.example.com.evil.org")],
    ["a name in which a dot is no wildcard", line("web-1xexample.com")],
    ["a pattern that is negated", line("*.example.com,!web-1.example.com")],
    ["only a negated pattern", line("!web-2.example.com")],
    ["another port", line("[web-1.example.com]:2222")],
    ["a line without a key", "web-1.example.com ssh-ed25519\n"],
    ["a hash of another version", "|2|AAAA|AAAA ssh-ed25519 AAAA\n"],
  ])("does not know a key that is listed under %s", (_, text) => {
    expect(judgeHostKey(text, WEB, OURS)).toEqual({ kind: "unknown" });
  });

  it("wants the port in the name for any port but 22", () => {
    const host = { address: "web-1", port: 2222 };

    expect(judgeHostKey(line("[web-1]:2222"), host, OURS)).toEqual({ kind: "known" });
    expect(judgeHostKey(line("web-1"), host, OURS)).toEqual({ kind: "unknown" });
    expect(knownHostName(host)).toBe("[web-1]:2222");
  });

  it("tells a changed key from an unknown one, and where the known one is", () => {
    expect(judgeHostKey(`\n${line("web-1.example.com", OTHER)}`, WEB, OURS)).toEqual({
      kind: "changed",
      line: 2,
    });
  });

  it("takes a key of another type for a changed one", () => {
    expect(judgeHostKey(line("web-1.example.com", RSA), WEB, OURS)).toEqual({
      kind: "changed",
      line: 1,
    });
  });

  it("refuses a revoked key, also where it is listed as known", () => {
    const text = `${line("web-1.example.com")}@revoked ${line("*")}`;

    expect(judgeHostKey(text, WEB, OURS)).toEqual({ kind: "revoked", line: 2 });
  });

  it("accepts a key that is not the revoked one", () => {
    const text = `${line("web-1.example.com")}@revoked ${line("*", OTHER)}`;

    expect(judgeHostKey(text, WEB, OURS)).toEqual({ kind: "known" });
  });

  it("does not take the key of a certificate authority for a host key", () => {
    expect(judgeHostKey(`@cert-authority ${line("*.example.com")}`, WEB, OURS)).toEqual({
      kind: "authority",
      line: 1,
    });
  });

  it("reads names that ssh-keygen hashed", () => {
    const folder = mkdtempSync(join(tmpdir(), "known-hosts-"));
    const file = join(folder, "known_hosts");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, "key")]);
    const [type = "", encoded = ""] = readFileSync(join(folder, "key.pub"), "utf8").split(" ");
    const key = Buffer.from(encoded, "base64");
    writeFileSync(file, `[web-1]:2222 ${type} ${encoded}\nweb-2 ${type} ${encoded}\n`);
    execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "ignore" });
    const text = readFileSync(file, "utf8");
    const fingerprint = execFileSync("ssh-keygen", ["-l", "-f", join(folder, "key.pub")]);
    rmSync(folder, { recursive: true });

    expect(text).toMatch(/^\|1\|/);
    expect(judgeHostKey(text, { address: "web-1", port: 2222 }, key)).toEqual({ kind: "known" });
    expect(judgeHostKey(text, { address: "web-2", port: 22 }, key)).toEqual({ kind: "known" });
    expect(judgeHostKey(text, { address: "web-3", port: 22 }, key)).toEqual({ kind: "unknown" });
    expect(fingerprint.toString()).toContain(fingerprintOf(key));
  });
});

describe("listedKeyTypes", () => {
  it("names the types of keys that can be compared", () => {
    const text = `${line("web-1.example.com", RSA)}@cert-authority ${line("*")}`;

    expect(listedKeyTypes(text, WEB)).toEqual(["ssh-rsa"]);
  });
});
