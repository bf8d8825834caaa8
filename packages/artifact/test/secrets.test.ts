import { describe, expect, it } from "vitest";
import { secretName, secretScan } from "../src/secrets.ts";

// Cut here and joined when it runs, so that scanners of repositories find nothing in this file.
const cut = (text: string): string => text.replaceAll("|", "");
const letters = (count: number): string => "aB3dE5gH7jK9mN1pQ2sT4vW6xY8z".repeat(4).slice(0, count);
const line = (kind: string): string => `-----BEGIN ${kind}-----`;
const KEY = cut("PRIVATE| KEY");
const AWS_ID = cut("AKI|AQWERTYUIOPASDFGH");
const AWS_SECRET = `aws_secret_access_key = ${letters(40)}`;

const scanned = (text: string, path = "file.txt"): string | undefined => {
  const scan = secretScan(path);
  scan.update(Buffer.from(text));
  return scan.reason();
};

describe("the names of secret files", () => {
  it.each([
    ".env",
    "app/.env",
    ".env.production",
    ".env.local",
    ".envrc",
    "id_rsa",
    ".ssh/id_ed25519",
    ".netrc",
    ".pgpass",
    ".git-credentials",
    "home/.aws/credentials",
    ".docker/config.json",
    ".kube/config",
    "google/credentials.json",
    "team.kdbx",
    "server.pfx",
    "infra/terraform.tfstate",
  ])("hold %s", (path) => {
    expect(secretName(path)).toMatch(/^it (is|holds) /);
  });

  it.each([
    ".env.example",
    ".env.sample",
    ".env.production.template",
    "env",
    "environment.ts",
    "my.env.ts",
    "id_rsa.pub",
    "credentials/index.html",
    "docs/credentials.json.md",
    "config.json",
    ".npmrc",
    "tls/ca.pem",
  ])("do not hold %s", (path) => {
    expect(secretName(path)).toBeUndefined();
  });
});

describe("the scan of contents", () => {
  it.each([
    ["a PEM key", `${line(KEY)}\n${letters(64)}\n`, "it holds a private key"],
    ["an RSA key", `${line(`RSA ${KEY}`)}\r\n${letters(64)}`, "it holds a private key"],
    ["an OpenSSH key", `${line(`OPENSSH ${KEY}`)}\n${letters(70)}`, "it holds a private key"],
    [
      "an encrypted key with headers",
      `${line(`RSA ${KEY}`)}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n${letters(64)}`,
      "it holds a private key",
    ],
    ["a PGP key", `${line(`PGP ${KEY} BLOCK`)}\n\n${letters(64)}`, "it holds a private key"],
    [
      "a service account of Google",
      JSON.stringify({ type: "service_account", private_key: `${line(KEY)}\n${letters(64)}\n` }),
      "it holds a private key",
    ],
    [
      "a key in the text of a program",
      `const key = "${line(KEY)}\\n" +\n  "${letters(64)}\\n";`,
      "it holds a private key",
    ],
    [
      "a key of AWS",
      `aws_access_key_id = ${AWS_ID}\n${AWS_SECRET}\n`,
      "it holds an access key of AWS",
    ],
    [
      "a key of AWS, the other way round",
      JSON.stringify({ secretAccessKey: letters(40), accessKeyId: AWS_ID }),
      "it holds an access key of AWS",
    ],
    ["a token of GitHub", `x="${cut("gh|p_")}${letters(36)}"`, "it holds a token of GitHub"],
    [
      "a fine-grained token of GitHub",
      `${cut("github|_pat_")}${letters(22)}_${letters(59)}`,
      "it holds a token of GitHub",
    ],
    ["a token of GitLab", `${cut("gl|pat-")}${letters(20)}`, "it holds a token of GitLab"],
    ["a token of npm", `${cut("np|m_")}${letters(36)}`, "it holds a token of npm"],
    [
      "a token of Slack",
      `${cut("xo|xb-")}123456789012-${letters(24)}`,
      "it holds a token of Slack",
    ],
    ["a key of Stripe", `${cut("s|k_live_")}${letters(24)}`, "it holds a key of Stripe"],
    [
      "a key of age",
      `${cut("AGE-SECRET-|KEY-1")}${"Q".repeat(58)}`,
      "it holds a private key of age",
    ],
  ])("finds %s", (_, text, reason) => {
    expect(scanned(`before\n${text}\nafter`)).toBe(reason);
  });

  it.each([
    ["the first line of a key alone", `if (text.includes("${line(KEY)}")) parse(text);`],
    ["a shortened key in a manual", `${line(KEY)}\nMIIEpAIBAAKCAQEA...\n`],
    ["a certificate", `${line("CERTIFICATE")}\n${letters(64)}`],
    ["a public key", `${line(`PUBLIC ${cut("|KEY")}`)}\n${letters(64)}`],
    ["an access key id alone", `accessKeyId: ${AWS_ID}`],
    [
      "the keys in the manuals of AWS",
      `aws_access_key_id = ${cut("AKI|A")}IOSFODNN7EXAMPLE\n${AWS_SECRET}`,
    ],
    ["settings of npm", "npm_config_registry npm_package_name_of_some_great_length_abcdefghijk"],
    ["a short word that begins like a token", "ghp_short xoxb-1 glpat-x"],
    ["a longer word that holds a token's shape", `ghp_${letters(40)}`],
  ])("lets %s through", (_, text) => {
    expect(scanned(`before\n${text}\nafter`)).toBeUndefined();
  });

  it("finds tokens in .npmrc, but not names of variables", () => {
    const text = "//registry.example/:_authToken=";

    expect(scanned(`${text}0a1b2c3d`, "app/.npmrc")).toBe("it holds a token of npm");
    expect(scanned(`${text}\${NPM_TOKEN}`, "app/.npmrc")).toBeUndefined();
    expect(scanned(`${text}0a1b2c3d`, "docs/npm.md")).toBeUndefined();
  });

  it("finds a secret wherever the pieces are cut", () => {
    const text = Buffer.from(
      `${"x".repeat(3000)}\n${line(KEY)}\n${letters(64)}\n${"y".repeat(3000)}`,
    );

    for (let at = 2990; at < 3110; at++) {
      const scan = secretScan("file");
      scan.update(text.subarray(0, at));
      scan.update(text.subarray(at));
      expect(scan.reason()).toBe("it holds a private key");
    }
  });

  it("finds a secret wherever it is in a large piece", () => {
    const secret = `\n${line(KEY)}\n${letters(64)}\n`;

    for (let at = 32_700; at < 32_800; at++) {
      const text = Buffer.from(`${"x".repeat(at)}${secret}${"y".repeat(40_000)}`);
      const scan = secretScan("file", text.length);
      scan.update(text);
      expect(scan.reason()).toBe("it holds a private key");
    }
  });

  it("finds a secret that comes byte by byte, in memory that is used again", () => {
    const scan = secretScan("file");
    const memory = Buffer.alloc(1);

    for (const byte of Buffer.from(`aws_access_key_id=${AWS_ID}\n${AWS_SECRET}\n`)) {
      memory[0] = byte;
      scan.update(memory);
    }

    expect(scan.reason()).toBe("it holds an access key of AWS");
  });

  it("finds a secret at the end of a large file", () => {
    const scan = secretScan("file");

    for (let count = 0; count < 40; count++) scan.update(Buffer.alloc(64 * 1024, "npm_ AKIA xox"));
    scan.update(Buffer.from(` ${cut("np|m_")}${letters(36)}`));

    expect(scan.reason()).toBe("it holds a token of npm");
  });
});
