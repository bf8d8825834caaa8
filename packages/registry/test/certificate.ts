import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

/** A key and a certificate that vouches for itself, in PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Makes a certificate for `registry.test` and others, and leaves it in a folder: `ca.pem`, `key.pem`. */
export async function makeCertificate(
  folder: string,
  names: readonly string[] = [],
  prefix = "",
): Promise<Certificate> {
  const all = ["registry.test", ...names].map((name) => `DNS:${name}`).join(",");
  const [key, cert] = [join(folder, `${prefix}key.pem`), join(folder, `${prefix}ca.pem`)];
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=registry.test -addext subjectAltName=${all}`;
  await promisify(execFile)("openssl", [...words.split(" "), "-keyout", key, "-out", cert]);
  return { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
}
