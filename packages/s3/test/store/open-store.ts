import { env } from "node:process";
import { type Json, secret } from "@lockstep/plugin";
import type { StoreCrashModule } from "@lockstep/testkit";
import { s3Store, type S3Store } from "../../src/index.ts";
import type { Server } from "../world.ts";

/** A store on a test server, as any process can open it. */
export interface StoreState extends Server {
  readonly bucket: string;
  readonly prefix: string;
}

/** Opens it. */
export function storeOf({ bucket, prefix, endpoint, region, credentials }: StoreState): S3Store {
  env["LOCKSTEP_TEST_S3_SECRET"] = credentials.secretAccessKey;
  return s3Store({
    bucket,
    prefix,
    endpoint,
    region,
    credentials: {
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: secret("LOCKSTEP_TEST_S3_SECRET"),
    },
  });
}

const open: StoreCrashModule = async (state: Json) => storeOf(state as unknown as StoreState);

// The suite imports the module by its address and calls what it exports by default.
// oxlint-disable-next-line import/no-default-export
export default open;
