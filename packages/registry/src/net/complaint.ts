/** One failure as registries word it. */
export interface Complaint {
  /** `MANIFEST_BLOB_UNKNOWN`; empty when the registry gave none. */
  readonly code: string;
  readonly message: string;
  /** The part of `detail` that is text, such as a digest. */
  readonly detail: string;
}

/** A foreign text in one line that a terminal shows as it is. */
export function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are the ones to be replaced
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, " ");
}
