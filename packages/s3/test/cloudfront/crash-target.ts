import { type Json, secret } from "@lockstep/plugin";
import type { CrashModule } from "@lockstep/testkit";
import { s3, type S3Options } from "../../src/index.ts";

/** How a target is made, in the test and in the processes that are killed. */
export type Made = { readonly options: Json; readonly folder: string };

/** A target that signs with a secret: options are plain data, secrets are not. */
export function targetOf(options: Json): ReturnType<typeof s3> {
  const secretAccessKey = secret("S3_SECRET");
  const credentials = { accessKeyId: "SANDBOXKEY", secretAccessKey };
  return s3({ ...(options as unknown as S3Options), credentials });
}

/** The same target in any process. */
const open: CrashModule = async (state) => {
  const { options, folder } = state as Made;
  return { target: targetOf(options), folder };
};

// The suite imports the module by its address and calls what it exports by default.
// oxlint-disable-next-line import/no-default-export
export default open;
