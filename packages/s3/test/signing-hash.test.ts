import { createHash, createHmac, randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { OneShotSha256 } from "../src/signing-hash.ts";

const LENGTHS = [0, 1, 20, 31, 32, 63, 64, 65, 128, 1000];

it.each(LENGTHS)(
  "digests %i bytes as the library does, in any number of pieces",
  async (length) => {
    const bytes = randomBytes(length);
    const [whole, pieces] = [new OneShotSha256(), new OneShotSha256()];
    whole.update(bytes);
    pieces.update(bytes.subarray(0, 7));
    pieces.update(bytes.subarray(7));

    const wanted = createHash("sha256").update(bytes).digest("hex");
    expect(Buffer.from(await whole.digest()).toString("hex")).toBe(wanted);
    expect(Buffer.from(await pieces.digest()).toString("hex")).toBe(wanted);
  },
);

it.each(LENGTHS)("signs with a key of %i bytes as the library does", async (length) => {
  const [key, bytes] = [randomBytes(length), randomBytes(100)];
  const signer = new OneShotSha256(key);
  signer.update(bytes);

  const wanted = createHmac("sha256", key).update(bytes).digest("hex");
  expect(Buffer.from(await signer.digest()).toString("hex")).toBe(wanted);
});

it("takes a key that is text", async () => {
  const signer = new OneShotSha256("AWS4ü");
  signer.update(Buffer.from("20261121"));

  const wanted = createHmac("sha256", "AWS4ü").update("20261121").digest("hex");
  expect(Buffer.from(await signer.digest()).toString("hex")).toBe(wanted);
});
