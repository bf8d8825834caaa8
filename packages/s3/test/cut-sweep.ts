import { type Direction, startFaultProxy } from "@lockstep/testkit";
import { Rig } from "./rig.ts";
import { filesOf, Folder, type Server } from "./world.ts";

/** A server with an empty bucket, and its files as somebody reads them who knows nothing of the plugin. */
export interface CutPlace extends AsyncDisposable {
  readonly server: Server;
  readonly bucket: string;
  /** Every object without Lockstep's own. */
  site(): Promise<Record<string, string>>;
}

/** Which connection ends: before a request arrives (`up`), or in place of its answer (`down`). */
export interface CutPoint {
  readonly direction: Direction;
  /** Number of the request in the deploy, from 1. */
  readonly at: number;
}

/** What a deploy with one cut came to. */
export interface AfterCut {
  /** Whether the deploy was long enough for the cut. */
  readonly isCut: boolean;
  /** What is not as it was built: nothing, if all is right. */
  readonly wrong: readonly string[];
}

/** Puts a second release over a first, and ends every connection once on the way. */
export async function cutAt(
  { direction, at }: CutPoint,
  open: () => Promise<CutPlace>,
): Promise<AfterCut> {
  await using place = await open();
  const { hostname: host, port } = new URL(place.server.endpoint);
  await using proxy = await startFaultProxy({ host, port: Number(port) });
  await using folder = await Folder.open();
  const server = { ...place.server, endpoint: `http://${proxy.host}:${proxy.port}` };
  const limits = { inFlight: 1, backoffMs: 2, timeoutMs: 5_000 }; // one connection: requests have an order
  await using rig = await Rig.join({ server, folder }, { bucket: place.bucket, limits });
  await rig.deploy(filesOf("one"));

  proxy.cutBeforeMessage(direction, at - 1);
  await rig.deploy(filesOf("two"));

  const isCut = proxy.cuts > 0;
  const [found, wanted] = [await place.site(), filesOf("two")];
  const isOlderAsset = (key: string): boolean => key.startsWith("assets/") && !(key in wanted);
  const keys = new Set([...Object.keys(found), ...Object.keys(wanted)]);
  const wrong = [...keys].filter((key) => !isOlderAsset(key) && found[key] !== wanted[key]);
  const { kept } = await rig.live();
  return { isCut, wrong: [...wrong, ...(kept.length === 1 ? [] : ["what is kept"])] };
}
