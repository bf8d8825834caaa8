import { peerMissing } from "./errors.ts";

/**
 * Loads a package that only those install who need it.
 *
 * @param load - The import, written out where the package is used, so that its types are known.
 * @throws {LockstepError} `REGISTRY_PEER`
 */
export async function loadPeer<T>(
  { name, purpose }: { readonly name: string; readonly purpose: string },
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const isMissing =
      error instanceof Error &&
      "code" in error &&
      error.code === "ERR_MODULE_NOT_FOUND" &&
      error.message.includes(`'${name}'`);
    // a package that is there and breaks has something else to say
    throw isMissing ? peerMissing(name, purpose, error) : error;
  }
}
