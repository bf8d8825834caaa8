import type { Json, TargetPlan } from "@lockstep/plugin";
import { type SandboxKeyValues, startSandboxKeyValues } from "@lockstep/testkit";
import type { CloudFrontOptions, S3Options } from "../../src/index.ts";
import { cloudFrontFunctions } from "../../src/index.ts";
import { Rig, type RigOptions } from "../rig.ts";
import { filesOf } from "../world.ts";
import { Edge } from "./edge.ts";

/** A site behind the router: a rig, the store, and one place of CloudFront. */
export class RoutedRig implements AsyncDisposable {
  readonly rig: Rig;
  readonly store: SandboxKeyValues;
  readonly edge: Edge;

  private constructor(rig: Rig, store: SandboxKeyValues) {
    this.rig = rig;
    this.store = store;
    const code = cloudFrontFunctions({ previews: "preview.example.com" });
    this.edge = new Edge(code, { values: store.values, objects: rig.objects });
  }

  static async open(options: Omit<RigOptions, "cloudfront"> = {}): Promise<RoutedRig> {
    const store = await startSandboxKeyValues("SANDBOXKEY");
    const rig = await Rig.open({ ...options, ...behind(store) });
    return new RoutedRig(rig, store);
  }

  /** Another process, with other options, on the same servers and folder. */
  beside(
    cloudfront: CloudFrontOptions,
    options: Omit<Partial<S3Options>, "cloudfront"> = {},
  ): Promise<Rig> {
    return this.rig.beside({ ...options, ...behind(this.store, cloudfront) });
  }

  /** Release one is live, release two is staged; the plan of the second. */
  async stagedTwo(): Promise<TargetPlan> {
    const { rig } = this;
    await rig.deploy(filesOf("one"));
    await rig.folder.build(filesOf("two"));
    const plan = await rig.plan();
    await rig.fence();
    await rig.apply(plan, "stage");
    return plan;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rig[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
  }
}

function behind(
  { arn, endpoint }: SandboxKeyValues,
  cloudfront: CloudFrontOptions = {},
): Pick<S3Options, "cloudfront" | "limits"> {
  return {
    cloudfront: { keyValueStore: arn, endpoint, ...cloudfront },
    limits: { backoffMs: 5, tries: 4 },
  };
}

/** The digits of a release's name, which are the key of its preview. */
export function digestOf(ref: Json | undefined): string {
  if (typeof ref !== "string") throw new Error("this is no release");
  return ref.replace("sha256:", "");
}
