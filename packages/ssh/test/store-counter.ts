// Adds one to a value of a store, again and again until it is killed, and tells each number it has written.
import { sshStore, type SshStoreOptions } from "../src/index.ts";

const store = sshStore(JSON.parse(process.env["OPTIONS"] ?? "") as SshStoreOptions);

for (;;) {
  const { body, tag } = (await store.get("count")) ?? { body: [], tag: "" };
  const next = Number(Buffer.from(body).toString()) + 1;
  const written = await store.replace("count", Buffer.from(`${next}`), tag);
  if (written !== "moved") process.stdout.write(`${next}\n`);
}
