import type { ObjectHeaders } from "./bucket.ts";

const ENCRYPTION = "x-amz-server-side-encryption";
const KEY = "x-amz-server-side-encryption-aws-kms-key-id";
const CLASS = "x-amz-storage-class";
const TAG_COUNT = "x-amz-tagging-count";

/** Names under which a server says how an object is stored. */
export const storedNames: readonly string[] = [ENCRYPTION, KEY, CLASS, TAG_COUNT];

/**
 * What of the settings an object does not have: `encryption`, `storage class`, `tags`.
 *
 * @param wanted - The headers of every write.
 * @param found - What the server says of the object, by {@link storedNames}.
 */
export function settingsMissing(wanted: ObjectHeaders, found: ObjectHeaders): readonly string[] {
  const tags = [...new URLSearchParams(wanted["x-amz-tagging"] ?? "")].length;
  const isEncrypted =
    wanted[ENCRYPTION] === undefined ||
    (found[ENCRYPTION] === wanted[ENCRYPTION] && isKey(wanted[KEY], found[KEY]));
  // of the usual class a server says nothing
  const isOfClass = (wanted[CLASS] ?? "STANDARD") === (found[CLASS] ?? "STANDARD");
  const isTagged = wanted["x-amz-tagging"] === undefined || Number(found[TAG_COUNT] ?? 0) === tags;
  return [
    ...(isEncrypted ? [] : ["encryption"]),
    ...(isOfClass || wanted[CLASS] === undefined ? [] : ["storage class"]),
    ...(isTagged ? [] : ["tags"]),
  ];
}

/** A server names a key in full, whatever it was asked for by; what an alias stands for it does not say. */
function isKey(wanted: string | undefined, found: string | undefined): boolean {
  if (wanted === undefined || wanted.includes("alias/")) return true;
  return found === wanted || found?.endsWith(`/${wanted}`) === true;
}
